// The software CPU as a whole: starting, stopping, hypercalls, interrupts, HLT.
#include <doctest/doctest.h>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char pvh_start[];

using namespace xensim;
using namespace xensim::x86::test;

TEST_CASE("a guest goes from 32-bit entry to long mode, ports, a hypercall, interrupts and HLT") {
  TestMachine m;
  CpuRegs r;
  r.cr0 = 0x31;
  r.seg[kCs] = {8, 0, 0xffffffff, 0xc9b};
  for (const unsigned s : {kEs, kSs, kDs, kFs, kGs}) r.seg[s] = {16, 0, 0xffffffff, 0xc93};
  r.seg[kTr] = {0, 0, 0x67, 0x8b};
  r.rip = TestMachine::address(pvh_start);
  m.cpu->set_regs({0}, r);
  m.on_call = [&](VcpuId v) {
    if (m.log.back().ends_with("hypercall 123456789abcdef0")) m.cpu->set_gpr(v, kRax, 0xfedcba9876543210);
  };
  for (unsigned halts = 0; halts < 3; ++halts) {
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kRcx) == halts);
    m.vectors.push_back(0x40);
    m.cpu->raise_interrupt({0});
  }
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK(m.cpu->mode({0}) == CpuMode::kLong);
  CHECK(m.gpr(kRbx) == 0xfedcba9876543210);
  CHECK(m.gpr(kR15) == 4);
  CHECK(m.gpr(kRsp) == 0x8000);
  REQUIRE(m.log.size() == 6);
  CHECK(m.log[0] == "30 out e9/1 = 41");
  CHECK(m.log[1] == "32 hypercall 123456789abcdef0");
  CHECK(m.log[5].ends_with("out e9/1 = 5a"));
}
