// MOV to control registers: what is #GP(0) and changes nothing, and what takes effect (SDM vol. 3, 2.5).
#include <doctest/doctest.h>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char do_set_cr0[], do_set_cr3[], do_set_cr4[], do_set_cr8[], do_clts[], do_lmsw[],
    do_set_cr0_32[], do_set_cr3_32[], do_set_cr4_32[], halt_handler[], halt_32[], do_pf_write[];

using namespace xensim;
using namespace xensim::x86::test;

namespace {

TestMachine machine(bool as_is) { return TestMachine(x86::SoftCpuConfig{.plain_engine = as_is}); }

struct Row {
  const char* name;
  const unsigned char* snippet;
  uint64_t value;
  bool accepted;
};

constexpr uint64_t kLongCr0 = 0x80010033, kLongCr4 = 0x620;
const Row kLongRows[] = {{"CR0 as it is", do_set_cr0, kLongCr0, true},
                         {"CR0.TS, AM", do_set_cr0, kLongCr0 | 0x40008, true},
                         {"CR0.CD, NW", do_set_cr0, kLongCr0 | 0x60000000, true},
                         {"CR0.NW without CD", do_set_cr0, kLongCr0 | 0x20000000, false},
                         {"CR0.PG without PE", do_set_cr0, kLongCr0 & ~uint64_t{1}, false},
                         {"CR0.PG off in 64-bit mode", do_set_cr0, 0x10033, false},
                         {"CR0, upper half", do_set_cr0, kLongCr0 | uint64_t{1} << 32, false},
                         {"CR3", do_set_cr3, kPageTables | 0x18, true},
                         {"CR3 beyond 40 bits", do_set_cr3, kPageTables | uint64_t{1} << 40, false},
                         {"CR3, bit 63 without PCIDE", do_set_cr3, kPageTables | uint64_t{1} << 63, false},
                         {"CR4.TSD, DE, PSE, MCE, PGE, PCE", do_set_cr4, kLongCr4 | 0x1dc, true},
                         {"CR4.FSGSBASE, SMAP", do_set_cr4, kLongCr4 | 0x210000, true},
                         {"CR4.PAE off in long mode", do_set_cr4, kLongCr4 & ~uint64_t{0x20}, false},
                         {"CR4.VME", do_set_cr4, kLongCr4 | 1, false},
                         {"CR4.PVI", do_set_cr4, kLongCr4 | 2, false},
                         {"CR4.UMIP", do_set_cr4, kLongCr4 | 1 << 11, false},
                         {"CR4.LA57", do_set_cr4, kLongCr4 | 1 << 12, false},
                         {"CR4.VMXE", do_set_cr4, kLongCr4 | 1 << 13, false},
                         {"CR4.SMXE", do_set_cr4, kLongCr4 | 1 << 14, false},
                         {"CR4.PCIDE", do_set_cr4, kLongCr4 | 1 << 17, false},
                         {"CR4.OSXSAVE", do_set_cr4, kLongCr4 | 1 << 18, false},
                         {"CR4.PKE", do_set_cr4, kLongCr4 | 1 << 22, false},
                         {"CR4.CET", do_set_cr4, kLongCr4 | 1 << 23, false},
                         {"CR4, upper half", do_set_cr4, kLongCr4 | uint64_t{1} << 32, false}};

uint64_t target(const CpuRegs& r, const unsigned char* snippet) {
  return snippet == do_set_cr0 ? r.cr0 : snippet == do_set_cr3 ? r.cr3 : r.cr4;
}

TEST_CASE("64-bit mode: which values CR0, CR3 and CR4 take") {
  for (const bool as_is : {false, true}) {
    for (const Row& row : kLongRows) {
      CAPTURE(as_is);
      CAPTURE(std::string(row.name));
      TestMachine m = machine(as_is);
      m.long64(row.snippet, halt_handler);
      m.set_gate64(13, TestMachine::address(halt_handler), kCode64, 0xe, 0, 1);
      m.change([&](CpuRegs& r) { r.gpr[kRax] = row.value; });
      const uint64_t before = target(m.regs(), row.snippet);
      REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
      CHECK(target(m.regs(), row.snippet) == (row.accepted ? row.value : before));
      CHECK(m.count() == (row.accepted ? 2 : 1));
      if (row.accepted) {
        CHECK(m.regs().rip == TestMachine::address(row.snippet) + 4);
        continue;
      }
      CHECK(m.gpr(kRsp) == kStackIst - 48);
      CHECK(m.peek<uint64_t>(kStackIst - 48) == 0);
      CHECK(m.peek<uint64_t>(kStackIst - 40) == TestMachine::address(row.snippet));
    }
  }
}

TEST_CASE("CR0.WP takes effect at once, as the engine's TLB is emptied") {
  TestMachine m;
  m.long64(do_pf_write, halt_handler);
  m.poke<uint64_t>(m.page_entry_at(0x201000), 0x201001);  // read-only
  m.change([](CpuRegs& r) { r.cr0 &= ~uint64_t{0x10000}; });
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.gpr(kRsp) == kStack0);  // written all the same
  const auto restart = [&](const unsigned char* snippet) {
    m.change([&](CpuRegs& r) {
      r.rip = TestMachine::address(snippet);
      r.gpr[kRax] = kLongCr0;
    });
    REQUIRE(m.run() == CpuExit::kHalt);
  };
  restart(do_set_cr0);
  restart(do_pf_write);
  CHECK(m.gpr(kRsp) == kStack0 - 48);
  CHECK(m.regs().cr2 == 0x201000);
}

TEST_CASE("CLTS, LMSW and SMSW") {
  for (const bool as_is : {false, true}) {
    TestMachine m = machine(as_is);
    m.long64(do_clts);
    m.change([](CpuRegs& r) { r.cr0 |= 8; });
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kRbx) == kLongCr0);
    CHECK(m.gpr(kRcx) == kLongCr0);
    CHECK(m.count() == 4);
    TestMachine l = machine(as_is);
    l.long64(do_lmsw, halt_handler);
    l.poke<uint16_t>(kData, 0xfff0);  // PE stays, whatever it says
    l.change([](CpuRegs& r) {
      r.gpr[kRax] = 0xe;
      r.gpr[kRdi] = kData;
    });
    REQUIRE(l.run() == CpuExit::kHalt);
    CHECK(l.gpr(kRbx) == (kLongCr0 | 0xe));
    CHECK(l.gpr(kRcx) == (kLongCr0 & ~uint64_t{0xe}));
    TestMachine f = machine(as_is);
    f.long64(do_lmsw, halt_handler);
    f.poke<uint64_t>(f.page_entry_at(0x201000), 0);
    f.change([](CpuRegs& r) { r.gpr[kRdi] = 0x201000; });
    REQUIRE(f.run() == CpuExit::kHalt);
    CHECK(f.regs().cr2 == 0x201000);
  }
}

TEST_CASE("CR8 is the client's task priority") {
  for (const bool as_is : {false, true}) {
    TestMachine m = machine(as_is);
    m.long64(do_set_cr8, halt_handler);
    m.change([](CpuRegs& r) { r.gpr[kRax] = 11; });
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.task_priority == 11);
    CHECK(m.gpr(kR9) == 11);
    CHECK(m.count() == 3);
    m.long64(do_set_cr8, halt_handler);
    m.change([](CpuRegs& r) { r.gpr[kRax] = 16; });
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.task_priority == 11);
    CHECK(m.gpr(kRsp) == kStack0 - 48);
  }
}

TEST_CASE("32-bit mode: paging on and off, ET, reserved bits, and the entries that PAE loads") {
  struct Narrow {
    const char* name;
    const unsigned char* snippet;
    uint64_t value, cr0, cr4, pdpte;
    bool accepted;
  };
  constexpr uint64_t kTable = 0x101001;  // a page directory pointer table's entry
  const Narrow rows[] = {{"paging on", do_set_cr0_32, 0x80000011, 0x11, 0, 0, true},
                         {"paging off", do_set_cr0_32, 0x11, 0x80000011, 0, 0, true},
                         {"unknown bits are dropped", do_set_cr0_32, 0x1000ff51, 0x11, 0, 0, true},
                         {"no protection and paging", do_set_cr0_32, 0x80000010, 0x11, 0, 0, false},
                         {"PAE on, good entries", do_set_cr0_32, 0x80000011, 0x11, 0x20, kTable, true},
                         {"PAE on, a reserved bit", do_set_cr0_32, 0x80000011, 0x11, 0x20, kTable | 2, false},
                         {"PAE by CR4, a reserved bit", do_set_cr4_32, 0x20, 0x80000011, 0, kTable | 0x100, false},
                         {"PAE, CR3, a reserved bit", do_set_cr3_32, kPageTables, 0x80000011, 0x20, kTable | 4, false},
                         {"PAE, CR3, not present", do_set_cr3_32, kPageTables, 0x80000011, 0x20, 4, true}};
  for (const bool as_is : {false, true}) {
    for (const Narrow& row : rows) {
      CAPTURE(as_is);
      CAPTURE(std::string(row.name));
      TestMachine m = machine(as_is);
      m.protected32(row.snippet, halt_32);
      // 2 MiB or 4 MiB: both kinds of tables map the first page to itself.
      const bool pae = (row.cr4 & 0x20) != 0;
      m.poke<uint64_t>(kPageTables + 0x1000, 0x87);
      m.poke<uint64_t>(0x120000, kTable);
      m.poke<uint64_t>(kPageTables, kTable);
      m.poke<uint64_t>(0x120008, row.pdpte);
      m.poke<uint64_t>(kPageTables + 8, row.pdpte);
      if (!pae) m.poke<uint32_t>(0x120000, 0x87);
      m.change([&](CpuRegs& r) {
        r.cr0 = row.cr0;
        r.cr4 = row.cr4 | 0x10;
        r.cr3 = 0x120000;
        r.gpr[kRax] = row.value;
      });
      const CpuRegs before = m.regs();
      REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
      if (!row.accepted) {
        CHECK(m.regs().cr0 == before.cr0);
        CHECK(m.regs().cr3 == before.cr3);
        CHECK(m.regs().cr4 == before.cr4);
        CHECK(m.peek<uint32_t>(m.gpr(kRsp) + 4) == TestMachine::address(row.snippet));
        continue;
      }
      CHECK(m.gpr(kRsp) == kStack0);
      if (row.snippet == do_set_cr0_32) CHECK(m.gpr(kRbx) == ((row.value & 0xe005003f) | 0x10));
    }
  }
}

}  // namespace
