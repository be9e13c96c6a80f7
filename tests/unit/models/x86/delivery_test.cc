// Exceptions and interrupts: vectors, error codes, frames, stacks and privilege, as SDM vol. 3, chapter 6 has them.
#include <doctest/doctest.h>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char do_div[], do_ud2[], do_int3[], do_int[], do_gp_ds[], do_gp_noncanonical[], do_pf_write[],
    do_pf_read[], do_pf_fetch[], do_cli[], do_hlt[], do_tf[], do_icebp[], do_prefixed_icebp[], do_icebp_32[], do_jump[],
    plain_iret[], pop_code_iret[], halt_handler[], do_nothing[], count_loop[], do_int_32[], do_into[], do_gp_ds_32[],
    halt_32[], do_bound_ss[], iret_to_user32[], iret_to_vm86[], real_int[], real_div[], real_handler[],
    real_to_protected[], real_gp[], real_wrap[], real_unreal[], read_by_rbp[], read_by_rbp_fs[], push_rax[], use_mmx[],
    use_sse[], use_fpu[], read_es[];

using namespace xensim;
using namespace xensim::x86::test;

namespace {

void forbid(TestMachine& m, uint64_t linear, uint64_t entry) { m.poke<uint64_t>(m.page_entry_at(linear), entry); }

// The frame that a 64-bit handler finds: from RSP up.
struct Frame64 {
  uint64_t code, rip, cs, rflags, rsp, ss;
};

struct Case64 {
  const char* name;
  const unsigned char* snippet;
  unsigned vector;
  bool user;
  bool has_code;
  uint64_t code;
  unsigned rip_offset;  // from the snippet's start
  uint64_t page_entry;  // of 0x201000; 0: not present
  uint64_t cr2 = 0;
};

constexpr uint64_t kMapped = 0x201007;
const Case64 kCases64[] = {
    {"#DE", do_div, 0, false, false, 0, 2, kMapped},
    {"#UD", do_ud2, 6, false, false, 0, 1, kMapped},
    {"#BP", do_int3, 3, false, false, 0, 1, kMapped},
    {"INT n", do_int, 0x50, false, false, 0, 3, kMapped},
    {"#GP with a selector", do_gp_ds, 13, false, true, 0x4448, 5, kMapped},
    {"#GP, not canonical", do_gp_noncanonical, 13, false, true, 0, 10, kMapped},
    {"#DB from INT1", do_icebp, 1, false, false, 0, 1, kMapped},
    {"#PF, write to a page not present", do_pf_write, 14, false, true, 2, 0, 0, 0x201000},
    {"#PF, read of a page not present", do_pf_read, 14, false, true, 0, 0, 0, 0x201000},
    {"#PF, write to a read-only page", do_pf_write, 14, false, true, 3, 0, 0x201005, 0x201000},
    {"#PF, fetch from a page not present", do_pf_fetch, 14, false, true, 0x10, ~0u, 0, 0x201000},
    {"#PF, fetch from a page without execution", do_pf_fetch, 14, false, true, 0x11, ~0u, 0x8000000000201007, 0x201000},
    {"#PF, reserved bit", do_pf_read, 14, false, true, 9, 0, 0x0008000000201007, 0x201000},
    {"#PF at CPL 3, supervisor page", do_pf_read, 14, true, true, 5, 0, 0x201003, 0x201000},
    {"#PF at CPL 3, write", do_pf_write, 14, true, true, 6, 0, 0, 0x201000},
    {"#DE at CPL 3", do_div, 0, true, false, 0, 2, kMapped},
    {"CLI at CPL 3", do_cli, 13, true, true, 0, 0, kMapped},
    {"HLT at CPL 3", do_hlt, 13, true, true, 0, 0, kMapped},
    {"INT n at CPL 3 through a gate of DPL 0", do_int, 13, true, true, 0x50 * 8 + 2, 1, kMapped},
};

// `used`: pages have their accessed and dirty bits, so that entries of the TLB are made without the engine.
void check_exceptions(bool used) {
  CAPTURE(used);
  for (const Case64& c : kCases64) {
    CAPTURE(c.name);
    TestMachine m;
    if (used) REQUIRE(know_tlb(m));
    if (c.user) {
      m.user64(c.snippet);
    } else {
      m.long64(c.snippet);
    }
    m.set_gate64(c.vector, TestMachine::address(halt_handler));
    if (c.snippet == do_int) m.set_gate64(0x50, TestMachine::address(halt_handler));
    if (c.page_entry != kMapped) forbid(m, 0x201000, c.page_entry);
    if (used) use_pages(m);
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    const CpuRegs r = m.regs();
    CHECK(r.rip == TestMachine::address(halt_handler) + 1);
    CHECK(r.seg[kCs].selector == kCode64);
    CHECK((r.rflags & 0x200) == 0);
    CHECK(m.cpu->cpl({0}) == 0);
    const bool code = c.has_code;
    CHECK(r.gpr[kRsp] == kStack0 - (code ? 48 : 40));
    const auto frame = m.peek<Frame64>(r.gpr[kRsp] - (code ? 0 : 8));
    if (code) CHECK(frame.code == c.code);
    CHECK(frame.rip == (c.rip_offset == ~0u ? 0x201000 : TestMachine::address(c.snippet) + c.rip_offset));
    CHECK(frame.cs == (c.user ? kUserCode64 : kCode64));
    CHECK(frame.ss == (c.user ? kUserData : kData0));
    CHECK(frame.rsp == (c.user ? kStack3 : kStack0));
    if (c.user) CHECK(r.seg[kSs].selector == 0);
    if (c.vector == 14) CHECK(r.cr2 == c.cr2);
    const bool fault = c.vector != 3 && c.vector != 0x50 && c.vector != 1;
    CHECK((frame.rflags & 0x10000) == (fault ? 0x10000 : 0));
  }
}

}  // namespace

TEST_CASE("64-bit exceptions: vector, error code, frame, CR2") {
  check_exceptions(false);
  check_exceptions(true);
}

TEST_CASE("a faulting instruction is not retired, INT n is") {
  TestMachine m;
  m.long64(do_int, halt_handler);
  m.run();
  CHECK(m.count() == 3);  // NOP, INT, HLT
  TestMachine n;
  n.long64(do_ud2, halt_handler);
  n.run();
  CHECK(n.count() == 2);
}

TEST_CASE("INT1: past its prefixes, through a gate of DPL 0 at CPL 3, and a fault on the way is at it") {
  for (const bool as_is : {false, true}) {
    CAPTURE(as_is);
    const x86::SoftCpuConfig config{.plain_engine = as_is};
    TestMachine m(config);
    m.user64(do_prefixed_icebp);
    m.set_gate64(1, TestMachine::address(halt_handler));
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    CHECK(m.gpr(kRsp) == kStack0 - 40);
    CHECK(m.peek<uint64_t>(kStack0 - 40) == TestMachine::address(do_prefixed_icebp) + 2);
    CHECK((m.peek<uint64_t>(kStack0 - 24) & 0x10000) == 0);  // a trap

    TestMachine n(config);
    n.user64(do_prefixed_icebp);
    n.set_gate64(1, TestMachine::address(halt_handler));
    n.poke<uint8_t>(kIdt + 16 + 5, 0x0e);  // not present
    n.set_gate64(11, TestMachine::address(halt_handler));
    REQUIRE_MESSAGE(n.run() == CpuExit::kHalt, n.cpu->error());
    CHECK(n.peek<uint64_t>(kStack0 - 48) == 1 * 8 + 2 + 1);  // IDT, EXT
    CHECK(n.peek<uint64_t>(kStack0 - 40) == TestMachine::address(do_prefixed_icebp));

    TestMachine p(config);
    p.user32(do_icebp_32);
    p.set_gate32(1, TestMachine::address(halt_32));
    REQUIRE_MESSAGE(p.run() == CpuExit::kHalt, p.cpu->error());
    CHECK(p.peek<uint32_t>(kStack0 - 20) == TestMachine::address(do_icebp_32) + 1);
  }
}

TEST_CASE("IRET resumes: same level, from ring 3, with error code taken off") {
  TestMachine m;
  m.long64(do_int, plain_iret);
  CHECK(m.run() == CpuExit::kHalt);
  CHECK(m.gpr(kRsp) == kStack0);
  CHECK(m.regs().rip == TestMachine::address(do_int) + 4);

  TestMachine u;
  u.user64(do_int, plain_iret);
  u.set_gate64(0x50, TestMachine::address(plain_iret), kCode64, 0xe, 3);
  u.set_gate64(13, TestMachine::address(halt_handler));
  CHECK(u.run() == CpuExit::kHalt);  // HLT at CPL 3: #GP
  CHECK(u.peek<uint64_t>(kStack0 - 40) == TestMachine::address(do_int) + 3);
  CHECK(u.count() == 4);
}

TEST_CASE("trap gates keep IF, interrupt gates clear it") {
  for (const unsigned type : {0xe, 0xf}) {
    TestMachine m;
    m.long64(do_int, halt_handler);
    m.set_gate64(0x50, TestMachine::address(halt_handler), kCode64, type);
    m.change([](CpuRegs& r) { r.rflags |= 0x200; });
    m.run();
    CHECK((m.regs().rflags & 0x200) == (type == 0xf ? 0x200 : 0));
    CHECK((m.peek<uint64_t>(kStack0 - 24) & 0x200) == 0x200);
  }
}

TEST_CASE("an NMI is taken with interrupts off, and ends a HLT") {
  TestMachine m;
  m.long64(count_loop, halt_handler);
  m.set_gate64(2, TestMachine::address(halt_handler));
  REQUIRE(m.run(10) == CpuExit::kSlice);
  const uint64_t interrupted = m.regs().rip;
  m.cpu->raise_nmi({0});
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.count() == 11);  // the handler's HLT
  CHECK(m.regs().rip == TestMachine::address(halt_handler) + 1);
  CHECK(m.peek<uint64_t>(kStack0 - 40) == interrupted);
  CHECK((m.peek<uint64_t>(kStack0 - 24) & 0x200) == 0);

  TestMachine h;
  h.long64(halt_handler, plain_iret);
  h.set_gate64(2, TestMachine::address(plain_iret));
  h.cpu->raise_nmi({0});
  REQUIRE(h.run() == CpuExit::kHalt);  // taken before the HLT, which halts after it
  CHECK(h.regs().rip == TestMachine::address(halt_handler) + 1);
  CHECK(h.count() == 2);  // IRET, HLT
}

TEST_CASE("IST takes its own stack, aligned") {
  TestMachine m;
  m.long64(do_int, halt_handler);
  m.set_gate64(0x50, TestMachine::address(halt_handler), kCode64, 0xe, 0, 3);
  m.poke<uint64_t>(kTss + 0x24 + 16, kStackIst + 0x107);
  m.run();
  CHECK(m.gpr(kRsp) == kStackIst + 0x100 - 40);
  CHECK(m.regs().seg[kSs].selector == kData0);
}

TEST_CASE("gates that will not do") {
  struct Row {
    const char* name;
    unsigned vector;
    uint64_t code;
    void (*change)(TestMachine&);
  };
  const Row rows[] = {
      {"not present", 11, 0x50 * 8 + 2, [](TestMachine& m) { m.poke<uint8_t>(kIdt + 0x505, 0x0e); }},
      {"reserved type", 13, 0x50 * 8 + 2, [](TestMachine& m) { m.poke<uint8_t>(kIdt + 0x505, 0x85); }},
      {"null selector", 13, 0, [](TestMachine& m) { m.poke<uint16_t>(kIdt + 0x502, 0); }},
      {"selector beyond the GDT", 13, 0x1000, [](TestMachine& m) { m.poke<uint16_t>(kIdt + 0x502, 0x1000); }},
      {"data segment", 13, kData0, [](TestMachine& m) { m.poke<uint16_t>(kIdt + 0x502, kData0); }},
      {"32-bit code segment", 13, kCode32, [](TestMachine& m) { m.poke<uint16_t>(kIdt + 0x502, kCode32); }},
      {"code segment not present", 11, kCode64,
       [](TestMachine& m) {
         m.poke<uint64_t>(kGdt + 0x58, 0x00af9b000000ffff);
         m.set_gate64(11, TestMachine::address(halt_handler), 0x58);
         m.change([](CpuRegs& r) { r.gdtr.limit = 0x7f; });
         m.poke<uint8_t>(kGdt + kCode64 + 5, 0x1b);
       }},
      {"target not canonical", 13, 0, [](TestMachine& m) { m.poke<uint32_t>(kIdt + 0x508, 0x8000'0000); }},
      {"beyond the IDT", 13, 0x50 * 8 + 2, [](TestMachine& m) { m.change([](CpuRegs& r) { r.idtr.limit = 0x4ff; }); }},
      {"IST beyond the TSS", 10, kTssSelector,
       [](TestMachine& m) {
         m.poke<uint8_t>(kIdt + 0x504, 7);
         m.change([](CpuRegs& r) { r.seg[kTr].limit = 0x30; });
       }},
      {"stack not canonical", 12, 0,
       [](TestMachine& m) {
         m.poke<uint8_t>(kIdt + 0x504, 1);
         m.poke<uint64_t>(kTss + 0x24, 0x8000'0000'0000'1000);
       }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    TestMachine m;
    m.long64(do_int, halt_handler);
    row.change(m);
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    const uint64_t rsp = m.gpr(kRsp);
    CHECK(rsp == kStack0 - 48);
    CHECK(m.peek<uint64_t>(rsp) == row.code);
    CHECK(m.peek<uint64_t>(rsp + 8) == TestMachine::address(do_int) + 1);  // at the INT, not past it
    CHECK(m.regs().gpr[kRsp] == kStack0 - 48);
  }
}

TEST_CASE("double and triple faults") {
  SUBCASE("#GP while #GP is delivered is #DF") {
    TestMachine m;
    m.long64(do_gp_ds);
    m.set_gate64(8, TestMachine::address(halt_handler));
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kRsp) == kStack0 - 48);
    CHECK(m.peek<uint64_t>(kStack0 - 48) == 0);
    CHECK(m.peek<uint64_t>(kStack0 - 40) == TestMachine::address(do_gp_ds) + 5);
  }
  SUBCASE("#PF while #PF is delivered is #DF, on its IST stack") {
    TestMachine m;
    m.long64(do_pf_read, halt_handler);
    m.set_gate64(8, TestMachine::address(halt_handler), kCode64, 0xe, 0, 1);
    forbid(m, 0x201000, 0);
    m.change([](CpuRegs& r) { r.gpr[kRsp] = 0x201100; });
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    CHECK(m.gpr(kRsp) == kStackIst - 48);
    CHECK(m.regs().cr2 == 0x201100 - 8);
  }
  SUBCASE("#UD that meets #NP is #NP") {
    TestMachine m;
    m.long64(do_ud2, halt_handler);
    m.poke<uint8_t>(kIdt + 16 * 6 + 5, 0x0e);
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.peek<uint64_t>(m.gpr(kRsp)) == 6 * 8 + 2 + 1);
  }
  SUBCASE("no IDT at all is a triple fault, which tells its story") {
    TestMachine m;
    m.long64(do_pf_write);
    forbid(m, 0x201000, 0);
    m.change([](CpuRegs& r) { r.idtr.limit = 0; });
    CHECK(m.run() == CpuExit::kShutdown);
    CHECK(m.cpu->error() == "#PF at rip 0x" + [] {
      char text[32];
      std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(TestMachine::address(do_pf_write)));
      return std::string(text) + " (error 0x2, cr2 0x201000) → #DF at rip 0x" + text + " (error 0x0) → triple fault";
    }());
  }
}

TEST_CASE("the single-step trap follows the instruction, with DR6.BS") {
  TestMachine m;
  m.long64(do_tf, halt_handler);
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.peek<uint64_t>(m.gpr(kRsp)) == TestMachine::address(do_tf) + 11);  // past the NOP that follows POPF
  CHECK((m.peek<uint64_t>(m.gpr(kRsp) + 16) & 0x100) == 0x100);
  CHECK((m.regs().rflags & 0x100) == 0);
}

TEST_CASE("32-bit protected mode: frames, ring change, INTO, VM86") {
  SUBCASE("same level") {
    TestMachine m;
    m.protected32(do_int_32, halt_32);
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kRsp) == kStack0 - 12);
    CHECK(m.peek<uint32_t>(kStack0 - 12) == TestMachine::address(do_int_32) + 3);
    CHECK(m.peek<uint32_t>(kStack0 - 8) == kCode32);
  }
  SUBCASE("error code") {
    TestMachine m;
    m.protected32(do_gp_ds_32, halt_32);
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kRsp) == kStack0 - 16);
    CHECK(m.peek<uint32_t>(kStack0 - 16) == 0x4448);
  }
  SUBCASE("INTO") {
    TestMachine m;
    m.protected32(do_into);
    m.set_gate32(4, TestMachine::address(halt_32));
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.peek<uint32_t>(kStack0 - 12) == TestMachine::address(do_into) + 5);
  }
  SUBCASE("to ring 3 by IRET and back by INT, through SS0:ESP0") {
    TestMachine m;
    m.protected32(iret_to_user32);
    m.set_gate32(0x50, TestMachine::address(halt_32), kCode32, 0xe, 3);
    m.change([](CpuRegs& r) { r.gpr[kRsp] = 0x7000; });
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    CHECK(m.gpr(kRsp) == kStack0 - 20);
    CHECK(m.peek<uint32_t>(kStack0 - 16) == kUserCode32);
    CHECK(m.peek<uint32_t>(kStack0 - 8) == 0x9000);
    CHECK(m.peek<uint32_t>(kStack0 - 4) == kUserData);
    CHECK(m.regs().seg[kSs].selector == kData0);
  }
  SUBCASE("16-bit gate pushes words") {
    TestMachine m;
    m.protected32(do_int_32);
    m.set_gate32(0x50, TestMachine::address(halt_32) & 0xffff, kCode32, 6);
    m.poke<uint8_t>(TestMachine::address(halt_32) & 0xffff, 0xf4);
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kRsp) == kStack0 - 6);
    CHECK(m.peek<uint16_t>(kStack0 - 4) == kCode32);
  }
  SUBCASE("a bad stack segment in the TSS is #TS") {
    TestMachine m;
    m.user32(do_int_32, halt_32);
    m.set_gate32(0x50, TestMachine::address(halt_32), kCode32, 0xe, 3);
    m.poke<uint32_t>(kTss + 8, kUserData);
    CHECK(m.run() == CpuExit::kShutdown);
    CHECK(m.cpu->error().find("#TS") != std::string::npos);
  }
  SUBCASE("VM86: INT leaves it with all segment registers pushed") {
    TestMachine m;
    m.protected32(iret_to_vm86, halt_32);
    m.set_gate32(0x50, TestMachine::address(halt_32), kCode32, 0xe, 3);
    m.change([](CpuRegs& r) { r.gpr[kRsp] = 0x7000; });
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    CHECK(m.gpr(kRax) == 0x1000);
    CHECK(m.gpr(kRsp) == kStack0 - 36);
    CHECK(m.peek<uint32_t>(kStack0 - 16) == 0x1000);  // ES
    CHECK(m.peek<uint32_t>(kStack0 - 12) == 0x2000);  // DS
    CHECK((m.peek<uint32_t>(kStack0 - 28) & 0x20000) == 0x20000);
    CHECK(m.cpu->mode({0}) == CpuMode::kProtected32);
    CHECK(m.regs().seg[kDs].selector == 0);
  }
}

TEST_CASE("real mode: IVT, IRET, and the way to protected mode and a 16-bit segment") {
  TestMachine m;
  m.real(real_int);
  m.poke<uint32_t>(0x50 * 4, static_cast<uint32_t>(TestMachine::address(real_handler) - kCodeBase) | (kCodeBase >> 4)
                                                                                                         << 16);
  m.change([](CpuRegs& r) { r.rflags |= 0x200; });
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.gpr(kRbx) == 1);
  CHECK(m.gpr(kRsp) == kStack0);
  CHECK((m.regs().rflags & 0x200) == 0x200);
  CHECK(m.peek<uint16_t>(kStack0 - 4) == kCodeBase >> 4);
  CHECK(m.cpu->mode({0}) == CpuMode::kReal);

  TestMachine d;
  d.real(real_div);
  d.poke<uint32_t>(0, static_cast<uint32_t>(TestMachine::address(halt_32) - kCodeBase) | (kCodeBase >> 4) << 16);
  REQUIRE(d.run() == CpuExit::kHalt);
  CHECK(d.peek<uint16_t>(kStack0 - 6) == TestMachine::address(real_div) - kCodeBase + 2);

  TestMachine p;
  p.protected32(halt_32);
  p.real(real_to_protected);
  REQUIRE_MESSAGE(p.run() == CpuExit::kHalt, p.cpu->error());
  CHECK(p.gpr(kRbx) == 0xcafe);
  CHECK(p.gpr(kRsi) == 0xbeef);
  CHECK(p.cpu->mode({0}) == CpuMode::kProtected16);
}

TEST_CASE("real mode: no error code with #GP, words wrap at 64 KiB, addresses not at 1 MiB, limits outlive a mode") {
  TestMachine g;
  g.real(real_gp);
  g.poke<uint32_t>(13 * 4, static_cast<uint32_t>(TestMachine::address(halt_32) - kCodeBase) | (kCodeBase >> 4) << 16);
  REQUIRE_MESSAGE(g.run() == CpuExit::kHalt, g.cpu->error());
  CHECK(g.gpr(kRsp) == kStack0 - 6);
  CHECK(g.peek<uint16_t>(kStack0 - 6) == TestMachine::address(real_gp) - kCodeBase + 6);
  CHECK((g.regs().cr0 & 0x80000001) == 0);

  TestMachine w;
  w.real(real_wrap);
  w.poke<uint16_t>(0x100000, 0xa20a);
  REQUIRE(w.run() == CpuExit::kHalt);
  CHECK(w.gpr(kRbx) == 0xa20a);
  CHECK(w.gpr(kRsp) == 0xfffe);
  CHECK(w.peek<uint16_t>(0xfffe) == 0x4711);

  TestMachine u;
  u.protected32(halt_32);
  u.poke<uint32_t>(kData, 0xfeedf00d);
  u.real(real_unreal);
  REQUIRE_MESSAGE(u.run() == CpuExit::kHalt, u.cpu->error());
  CHECK(u.gpr(kRcx) == 0xfeedf00d);
  CHECK(u.cpu->mode({0}) == CpuMode::kReal);
}

TEST_CASE("which exception an operand or an instruction raises") {
  struct Row {
    const char* name;
    const unsigned char* snippet;
    unsigned vector;
    void (*change)(CpuRegs&);
  };
  constexpr uint64_t kNowhere = uint64_t{1} << 63;
  const Row rows[] = {
      {"RBP not canonical", read_by_rbp, 12, [](CpuRegs& r) { r.gpr[kRbp] = kNowhere; }},
      {"RBP with FS", read_by_rbp_fs, 13, [](CpuRegs& r) { r.gpr[kRbp] = kNowhere; }},
      {"PUSH", push_rax, 12, [](CpuRegs& r) { r.gpr[kRsp] = kNowhere; }},
      {"MMX, TS", use_mmx, 7, [](CpuRegs& r) { r.cr0 |= 8; }},
      {"MMX, TS and EM", use_mmx, 6, [](CpuRegs& r) { r.cr0 |= 12; }},
      {"SSE, TS", use_sse, 7, [](CpuRegs& r) { r.cr0 |= 8; }},
      {"SSE, TS and EM", use_sse, 6, [](CpuRegs& r) { r.cr0 |= 12; }},
      {"SSE, TS, no OSFXSR", use_sse, 6,
       [](CpuRegs& r) {
         r.cr0 |= 8;
         r.cr4 &= ~uint64_t{0x200};
       }},
      {"FPU, TS and EM", use_fpu, 7, [](CpuRegs& r) { r.cr0 |= 12; }},
  };
  for (const bool as_is : {false, true}) {
    for (const Row& row : rows) {
      CAPTURE(as_is);
      CAPTURE(std::string(row.name));
      TestMachine m(x86::SoftCpuConfig{.plain_engine = as_is});
      m.long64(row.snippet);
      m.set_gate64(row.vector, TestMachine::address(halt_handler), kCode64, 0xe, 0, 1);
      m.change(row.change);
      REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
      const bool code = row.vector > 8;
      CHECK(m.gpr(kRsp) == kStackIst - (code ? 48 : 40));
      if (code) CHECK(m.peek<uint64_t>(kStackIst - 48) == 0);
      CHECK(m.peek<uint64_t>(kStackIst - 40) == TestMachine::address(row.snippet) + 1);
    }
  }
}

TEST_CASE("a segment's limit comes before the page that is not there") {
  for (const bool beyond : {false, true}) {
    TestMachine m;
    m.protected32(read_es);
    m.set_gate32(beyond ? 13 : 14, TestMachine::address(halt_32));
    m.poke<uint32_t>(kPageTables, 0x101007);  // 32-bit tables: the first 2 MiB
    for (uint32_t i = 0; i < 512; ++i) m.poke<uint32_t>(0x101000 + 4 * i, i << 12 | 7);
    m.change([&](CpuRegs& r) {
      r.cr3 = kPageTables;
      r.cr0 |= 0x80000000;
      r.seg[kEs].limit = beyond ? 0x1fffff : 0x2fffff;
    });
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    CHECK(m.peek<uint32_t>(kStack0 - 16) == 0);
    CHECK(m.peek<uint32_t>(kStack0 - 12) == TestMachine::address(read_es) + 1);
  }
}
