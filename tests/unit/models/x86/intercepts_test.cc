// Instructions that are served outside the engine, and those that a guest must not have: nothing of the host shows.
#include <doctest/doctest.h>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char do_cpuid[], do_rdmsr[], do_wrmsr[], do_rdtsc[], do_rdtscp[], do_rdpmc[], do_rdrand[],
    do_rdseed[], do_rdpid[], do_xgetbv[], do_monitor[], do_mwait[], do_xsave[], do_rdpkru[], do_vmrun[], do_avx[],
    do_swapgs[], do_dr[], do_vmcall[], do_ports[], do_in8[], do_in32[], do_outsb[], do_insl[], do_insb_down[],
    features[], halt_handler[], halt_32[], do_syscall[], syscall_entry[], do_sysenter[], sysenter_entry[];

using namespace xensim;
using namespace xensim::x86::test;

namespace {

CpuidResult ask_cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  TestMachine m;
  m.long64(do_cpuid);
  m.change([&](CpuRegs& r) {
    r.gpr[kRax] = 0xffffffff00000000 | leaf;
    r.gpr[kRcx] = 0xffffffff00000000 | subleaf;
    r.gpr[kRbx] = r.gpr[kRdx] = ~uint64_t{0};
  });
  REQUIRE(m.run() == CpuExit::kHalt);
  for (const Gpr g : {kRax, kRbx, kRcx, kRdx}) CHECK((m.gpr(g) >> 32) == 0);
  const auto low = [&](Gpr g) { return static_cast<uint32_t>(m.gpr(g)); };
  return {low(kRax), low(kRbx), low(kRcx), low(kRdx)};
}

// The vector of the exception that ended the run, by which handler ran: 13 and 6 have their own here.
unsigned vector_of(TestMachine& m) {
  m.set_gate64(6, TestMachine::address(halt_handler), kCode64, 0xe, 0, 1);
  m.set_gate64(13, TestMachine::address(halt_handler), kCode64, 0xe, 0, 2);
  const CpuExit exit = m.run();
  REQUIRE_MESSAGE(exit == CpuExit::kHalt, m.cpu->error());
  const uint64_t rsp = m.gpr(kRsp);
  if (rsp == kStackIst - 40) return 6;
  if (rsp == kStackIst + 0x800 - 48) return 13;
  return 0;
}

struct MsrRow {
  uint32_t msr;
  uint64_t value;
  bool accepted;
};

}  // namespace

TEST_CASE("CPUID offers what works, and the client adds its leaves") {
  CHECK(ask_cpuid(0).ebx == 0x756e6547);
  const CpuidResult one = ask_cpuid(1);
  CHECK((one.ecx >> 31) == 1);                            // under a hypervisor
  CHECK((one.ecx & (1u << 30)) == 0);                     // no RDRAND
  CHECK((one.ecx & (3u << 26 | 1u << 28)) == 0);          // no XSAVE, no AVX
  CHECK((one.ecx & 1u << 3) == 0);                        // no MONITOR
  CHECK((ask_cpuid(7).ebx & (1u << 18 | 1u << 5)) == 0);  // no RDSEED, no AVX2
  CHECK((ask_cpuid(0x80000001).edx & 1u << 29) != 0);
  CHECK((ask_cpuid(0x80000007).edx & 1u << 8) != 0);
  CHECK(ask_cpuid(0x80000008).eax == 0x3028);
  CHECK(ask_cpuid(0x40000000).edx == 4);
  CHECK(ask_cpuid(0x12345678).eax == 0);
}

TEST_CASE("every feature that CPUID offers runs") {
  TestMachine m;
  m.long64(features);
  m.change([](CpuRegs& r) { r.cr4 |= 1 << 16; });
  CHECK_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
}

TEST_CASE("what CPUID does not offer is #UD, and RDPMC #GP") {
  struct Row {
    const char* name;
    const unsigned char* snippet;
    unsigned vector;
  };
  const Row rows[] = {{"rdrand", do_rdrand, 6}, {"rdseed", do_rdseed, 6},   {"rdpid", do_rdpid, 6},
                      {"xgetbv", do_xgetbv, 6}, {"monitor", do_monitor, 6}, {"mwait", do_mwait, 6},
                      {"xsave", do_xsave, 6},   {"rdpkru", do_rdpkru, 6},   {"vmrun", do_vmrun, 6},
                      {"avx", do_avx, 6},       {"rdpmc", do_rdpmc, 13}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    TestMachine m;
    m.long64(row.snippet);
    CHECK(vector_of(m) == row.vector);
    TestMachine u;
    u.user64(row.snippet);
    CHECK(vector_of(u) == row.vector);
  }
}

TEST_CASE("RDTSC and RDTSCP give the client's time, and CR4.TSD forbids them at CPL 3") {
  TestMachine m;
  m.long64(do_rdtsc);
  m.run();
  CHECK(m.gpr(kRax) == 0x00000001);
  CHECK(m.gpr(kRdx) == 0xabc);
  TestMachine p;
  p.long64(do_rdtscp);
  p.run();
  CHECK(p.gpr(kRax) == 0);
  CHECK(p.gpr(kRdx) == 0xabc);
  CHECK(p.gpr(kRcx) == 0);
  TestMachine u;
  u.user64(do_rdtsc);
  u.change([](CpuRegs& r) { r.cr4 |= 4; });
  CHECK(vector_of(u) == 13);
}

TEST_CASE("MSRs: held, refused, and the client's") {
  const MsrRow rows[] = {{0xc0000082, 0xffffffff81000000, true},
                         {0xc0000082, 0x8000000000000000, false},
                         {0xc0000081, 0x0023001000000000, true},
                         {0x277, 0x0007040600070406, true},
                         {0x277, 0x02, false},
                         {0x2ff, 0xc06, true},
                         {0x200, 0x1006, true},
                         {0x200, 0x1002, false},
                         {0x268, 0x0606060606060606, true},
                         {0xfe, 0, false},
                         {0xc0000103, 7, true},
                         {0xc0000080, 0xd01, true},
                         {0xc0000080, 0x1d01, false},
                         {0xc0000080, 0xc01, false},
                         {0x1b, 0xfee00900, true},
                         {0x10, 5, true},
                         {0xdead, 1, false},
                         {0xc0000102, 0x123456789000, true},
                         {0xc0000101, 0xffff888000000000, true},
                         {0x174, 0x10, true},
                         {0x179, 2, true},
                         {0x17a, 5, true},
                         {0x17b, 0, true},
                         {0x404, ~uint64_t{0}, true},
                         {0x405, 0, true},
                         {0x405, 1, false},
                         {0x408, 0, true},
                         {0x47f, 0, true},
                         {0x480, 0, false},
                         {0x281, 0, true},
                         {0x1d9, 3, true},
                         {0x1d9, 4, false},
                         {0x0, 0, false}};
  for (const MsrRow& row : rows) {
    CAPTURE(row.msr);
    CAPTURE(row.value);
    TestMachine m;
    m.long64(do_wrmsr);
    m.msrs = {{0x1b, 0}, {0x10, 0}};
    m.change([&](CpuRegs& r) {
      r.gpr[kRcx] = row.msr;
      r.gpr[kRax] = row.value & 0xffffffff;
      r.gpr[kRdx] = row.value >> 32;
    });
    CHECK(vector_of(m) == (row.accepted ? 0 : 13));
    if (!row.accepted || row.msr == 0x10) continue;
    m.change([&](CpuRegs& r) {
      r.rip = TestMachine::address(do_rdmsr);
      r.gpr[kRax] = r.gpr[kRdx] = ~uint64_t{0};
    });
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK((m.gpr(kRax) | m.gpr(kRdx) << 32) == row.value);
  }
  TestMachine u;
  u.user64(do_rdmsr);
  CHECK(vector_of(u) == 13);
  TestMachine t;
  t.long64(do_rdmsr);
  t.change([](CpuRegs& r) { r.gpr[kRcx] = 0x10; });
  t.run();
  CHECK(t.gpr(kRdx) == 0xabc);
}

TEST_CASE("SWAPGS and RDGSBASE see the MSRs") {
  TestMachine m;
  m.long64(do_wrmsr);
  m.change([](CpuRegs& r) {
    r.cr4 |= 1 << 16;
    r.gpr[kRcx] = 0xc0000102;
    r.gpr[kRax] = 0x5000;
  });
  m.run();
  m.change([](CpuRegs& r) { r.rip = TestMachine::address(do_swapgs); });
  REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
  CHECK(m.gpr(kRax) == 0x5000);
}

TEST_CASE("SYSCALL, SYSRET and SYSENTER") {
  TestMachine m;
  m.long64(do_wrmsr);
  const auto wrmsr = [&](uint32_t msr, uint64_t value) {
    m.change([&](CpuRegs& r) {
      r.rip = TestMachine::address(do_wrmsr);
      r.gpr[kRcx] = msr;
      r.gpr[kRax] = value & 0xffffffff;
      r.gpr[kRdx] = value >> 32;
    });
    REQUIRE(m.run() == CpuExit::kHalt);
  };
  wrmsr(0xc0000081, uint64_t{kCode64} << 32 | uint64_t{0x1b} << 48);
  wrmsr(0xc0000082, TestMachine::address(syscall_entry));
  wrmsr(0xc0000084, 0x200);
  wrmsr(0x174, kCode64);
  wrmsr(0x175, 0x6000);
  wrmsr(0x176, TestMachine::address(sysenter_entry));
  const CpuRegs kernel = m.regs();
  const auto to_user = [&](const unsigned char* snippet) {
    m.user64(snippet);
    m.change([&](CpuRegs& r) { r.rflags |= 0x200; });
  };
  to_user(do_syscall);
  const uint64_t before = m.count();
  CHECK(vector_of(m) == 13);  // the HLT at CPL 3
  CHECK(m.gpr(kRax) == 0x2222);
  CHECK(m.gpr(kRbx) == 1);
  CHECK(m.gpr(kR13) == kStack3);
  CHECK(m.gpr(kRcx) == TestMachine::address(do_syscall) + 7);
  CHECK((m.gpr(kR11) & 0x200) == 0x200);
  CHECK(m.peek<uint64_t>(kStackIst + 0x800 - 32) == kUserCode64);
  CHECK(m.count() - before == 7);
  to_user(do_sysenter);
  REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
  CHECK(m.gpr(kRax) == 0x3333);
  CHECK(m.gpr(kRsp) == 0x6000);
  CHECK(m.cpu->cpl({0}) == 0);
  CHECK(kernel.gpr[kRcx] == 0x176);

  TestMachine off;
  off.user64(do_syscall);
  off.change([](CpuRegs& r) { r.efer &= ~uint64_t{1}; });
  CHECK(vector_of(off) == 6);
}

TEST_CASE("debug registers hold values, with their fixed bits") {
  TestMachine m;
  m.long64(do_dr);
  m.change([](CpuRegs& r) { r.gpr[kRax] = 0xffffdf00; });  // no GD
  REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
  CHECK(m.gpr(kRbx) == 0xffffdf00);
  CHECK(m.gpr(kRcx) == 0xffff0700);
  CHECK(m.gpr(kRdx) == 0xffff0ff0);
}

TEST_CASE("a hypercall: done at once, later, or refused") {
  TestMachine m;
  m.long64(do_vmcall);
  m.on_call = [&](VcpuId v) { m.cpu->set_gpr(v, kRdi, 0x1234567812345678); };
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.log.at(0) == "1 hypercall 0");
  CHECK(m.gpr(kRdi) == 0x1234567812345678);
  CHECK(m.count() == 4);

  TestMachine s;
  s.long64(do_vmcall);
  s.answer = CpuAction::kSuspend;
  REQUIRE(s.run() == CpuExit::kSuspended);
  CHECK(s.regs().rip == TestMachine::address(do_vmcall) + 1);
  CHECK(s.count() == 1);
  s.cpu->set_gpr({0}, kRax, 77);
  s.cpu->complete_hypercall({0});
  CHECK(s.count() == 2);
  REQUIRE(s.run() == CpuExit::kHalt);
  CHECK(s.gpr(kRax) == 77);
  CHECK(s.gpr(kRbx) == 1);
  CHECK(s.log.size() == 1);

  TestMachine f;
  f.long64(do_vmcall);
  f.answer = CpuAction::kFault;
  CHECK(vector_of(f) == 6);
}

TEST_CASE("ports: sizes, and what IN leaves of RAX") {
  TestMachine m;
  m.long64(do_ports);
  m.port_values[0x3f8] = 0xa1b2c3d4;
  m.change([](CpuRegs& r) {
    r.gpr[kRdx] = 0x3f8;
    r.gpr[kRax] = 0x1122334455667788;
  });
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.log.at(0) == "0 out 3f8/1 = 88");
  CHECK(m.log.at(1) == "1 out 3f8/2 = 7788");
  CHECK(m.log.at(2) == "2 out 3f8/4 = 55667788");
  CHECK(m.log.at(3) == "3 in 3f8/1");
  CHECK(m.log.at(5) == "6 in 3f8/4");
  CHECK(m.gpr(kRax) == 0xa1b2c3d4);
}

TEST_CASE("port privilege: IOPL, then the TSS bitmap") {
  struct Row {
    const char* name;
    const unsigned char* snippet;
    uint64_t rflags;
    uint32_t limit;
    uint8_t bits;  // of ports 0x60..0x67
    bool allowed;
  };
  const Row rows[] = {{"IOPL 3", do_in8, 0x3002, 0x67, 0xff, true},
                      {"no bitmap", do_in8, 2, 0x67, 0, false},
                      {"bit clear", do_in8, 2, 0x100, 0xfe, true},
                      {"bit set", do_in8, 2, 0x100, 0x01, false},
                      {"all four clear", do_in32, 2, 0x100, 0xf0, true},
                      {"one of four set", do_in32, 2, 0x100, 0x08, false},
                      {"end of the bitmap", do_in8, 2, 0x67 + 1 + 12, 0, false}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    TestMachine m;
    m.user64(row.snippet);
    m.poke<uint16_t>(kTss + 102, 0x68);
    m.poke<uint8_t>(kTss + 0x68 + 0x60 / 8, row.bits);
    m.change([&](CpuRegs& r) {
      r.rflags = row.rflags;
      r.seg[kTr].limit = row.limit;
      r.gpr[kRdx] = 0x60;
      r.gpr[kRax] = 0x7777;
    });
    m.port_values[0x60] = 0x42;
    vector_of(m);  // a HLT at CPL 3 ends it in any case
    CHECK((m.log.size() == 1) == row.allowed);
    if (!row.allowed) CHECK(m.gpr(kRax) == 0x7777);
    CHECK(m.count() == (row.allowed ? 2 : 1));
  }
}

TEST_CASE("INS and OUTS, with REP, down, and into a page that is not there") {
  TestMachine m;
  m.long64(do_outsb);
  std::memcpy(m.ram.data() + kData, "xyz", 3);
  m.change([](CpuRegs& r) {
    r.gpr[kRcx] = 3;
    r.gpr[kRsi] = kData;
    r.gpr[kRdx] = 0xe9;
  });
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.log == std::vector<std::string>{"0 out e9/1 = 78", "1 out e9/1 = 79", "2 out e9/1 = 7a"});
  CHECK(m.gpr(kRsi) == kData + 3);
  CHECK(m.count() == 4);

  TestMachine i;
  i.long64(do_insl, halt_handler);
  i.poke<uint64_t>(i.page_entry_at(0x201000), 0);
  i.port_values[0x1f0] = 0xcafef00d;
  i.change([](CpuRegs& r) {
    r.gpr[kRcx] = 4;
    r.gpr[kRdi] = 0x201000 - 8;
    r.gpr[kRdx] = 0x1f0;
  });
  REQUIRE(i.run() == CpuExit::kHalt);
  CHECK(i.regs().cr2 == 0x201000);
  CHECK(i.gpr(kRcx) == 2);
  CHECK(i.peek<uint32_t>(0x201000 - 4) == 0xcafef00d);
  CHECK(i.log.size() == 2);

  TestMachine d;
  d.long64(do_insb_down);
  d.port_values[0x1f0] = 0x5a;
  d.change([](CpuRegs& r) {
    r.gpr[kRdi] = kData;
    r.gpr[kRdx] = 0x1f0;
  });
  REQUIRE(d.run() == CpuExit::kHalt);
  CHECK(d.peek<uint8_t>(kData) == 0x5a);
  CHECK(d.gpr(kRdi) == kData - 1);
}
