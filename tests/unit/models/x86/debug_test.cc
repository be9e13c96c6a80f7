// Debug registers: breakpoints, general detect, single steps (SDM vol. 3, chapter 17).
#include <doctest/doctest.h>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char arm_debug[], debug_halting[], debug_noting[], watched[], watched_ss[], watched_rep[],
    watched_port[], step_over_ss[], step_branches[], step_hlt[], do_dr[], halt_handler[], do_icebp[];

using namespace xensim;
using namespace xensim::x86::test;

namespace {

constexpr uint64_t kLog = kData + 0x800, kDr6 = 0xffff0ff0;
constexpr uint64_t kGlobal0 = 2, kWrite8 = 0x90000, kAccess1 = 0x30000, kPort1 = 0x20000, kBranches = 2;

uint64_t at(const unsigned char* snippet, unsigned offset) { return TestMachine::address(snippet) + offset; }

// A machine with breakpoint 0 set up, about to run a snippet.
struct DebugMachine : TestMachine {
  DebugMachine(bool as_is, const unsigned char* snippet, const unsigned char* handler, uint64_t dr0, uint64_t dr7,
               uint64_t debug_control = 0)
      : TestMachine(x86::SoftCpuConfig{.plain_engine = as_is}) {
    long64(arm_debug, halt_handler);
    set_gate64(1, address(handler));
    change([&](CpuRegs& r) {
      r.cr4 |= 8;  // DE
      r.gpr[kRax] = dr0;
      r.gpr[kRbx] = dr7;
      r.gpr[kRcx] = debug_control;
      r.gpr[kR13] = address(snippet);
      r.gpr[kR14] = kLog;
      r.gpr[kRdi] = kData;
    });
    REQUIRE(run(9) == CpuExit::kSlice);
    REQUIRE(regs().rip == address(snippet));
  }
  // In slices of one instruction, which must make no difference.
  void finish(bool stepwise) {
    CpuExit exit = CpuExit::kSlice;
    for (unsigned i = 0; i < 1000 && exit == CpuExit::kSlice; ++i) exit = run(stepwise ? 1 : 100000);
    REQUIRE_MESSAGE(exit == CpuExit::kHalt, cpu->error());
  }
  std::vector<uint64_t> noted() {
    std::vector<uint64_t> all;
    for (uint64_t a = kLog; a < gpr(kR14); a += 8) all.push_back(peek<uint64_t>(a));
    return all;
  }
};

template <class Body>
void in_each_way(const Body& body) {
  for (const bool as_is : {false, true}) {
    for (const bool stepwise : {false, true}) {
      CAPTURE(as_is);
      CAPTURE(stepwise);
      body(as_is, stepwise);
    }
  }
}

using Rips = std::vector<uint64_t>;

TEST_CASE("an instruction breakpoint is a fault before it, and RF lets it pass") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, watched, debug_halting, at(watched, 5), kGlobal0);
    m.finish(stepwise);
    CHECK(m.gpr(kR8) == (kDr6 | 1));
    CHECK(m.peek<uint64_t>(kStack0 - 40) == at(watched, 5));
    CHECK((m.peek<uint64_t>(kStack0 - 24) & 0x10000) == 0);
    CHECK(m.gpr(kR10) == 0);
    DebugMachine n(as_is, watched, debug_noting, at(watched, 5), kGlobal0);
    n.finish(stepwise);
    CHECK(n.noted() == Rips{at(watched, 5)});
    CHECK(n.regs().rip == at(watched, 10));
  });
}

TEST_CASE("data breakpoints trap after the access: writes, or both") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine w(as_is, watched, debug_noting, kData + 3, kGlobal0 | kWrite8);
    w.finish(stepwise);
    CHECK(w.noted() == Rips{at(watched, 4)});
    CHECK(w.gpr(kR8) == (kDr6 | 1));
    DebugMachine a(as_is, watched, debug_noting, kData + 7, kGlobal0 | kAccess1);
    a.finish(stepwise);
    CHECK(a.noted() == Rips{at(watched, 4), at(watched, 8)});
    DebugMachine beside(as_is, watched, debug_noting, kData + 8, kGlobal0 | kAccess1);
    beside.finish(stepwise);
    CHECK(beside.noted().empty());
    DebugMachine off(as_is, watched, debug_noting, kData, kAccess1);
    off.finish(stepwise);
    CHECK(off.noted().empty());
  });
}

TEST_CASE("after MOV SS a data breakpoint waits for the next instruction") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, watched_ss, debug_noting, kData, kGlobal0 | kAccess1);
    m.poke<uint16_t>(kData, kData0);
    m.finish(stepwise);
    CHECK(m.noted() == Rips{at(watched_ss, 3)});
  });
}

TEST_CASE("a repeated string instruction is cut at the byte that is watched") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, watched_rep, debug_halting, kData + 0x102, kGlobal0 | (kWrite8 & 0x10000));
    m.change([](CpuRegs& r) {
      r.gpr[kRsi] = kData;
      r.gpr[kRdi] = kData + 0x100;
      r.gpr[kRcx] = 5;
    });
    m.finish(stepwise);
    CHECK(m.gpr(kRcx) == 2);
    CHECK(m.peek<uint64_t>(kStack0 - 40) == at(watched_rep, 0));
  });
}

TEST_CASE("a port breakpoint needs CR4.DE") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, watched_port, debug_noting, 0x80, kGlobal0 | kPort1);
    m.finish(stepwise);
    CHECK(m.noted() == Rips{at(watched_port, 2)});
    DebugMachine off(as_is, watched_port, debug_noting, 0x80, kGlobal0 | kPort1);
    off.change([](CpuRegs& r) { r.cr4 &= ~uint64_t{8}; });
    off.finish(stepwise);
    CHECK(off.noted().empty());
  });
}

TEST_CASE("general detect: a fault at MOV DR, and GD is off in its handler") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, do_dr, debug_halting, 0, 1 << 13);
    m.finish(stepwise);
    CHECK(m.gpr(kR8) == (kDr6 | 1 << 13));
    CHECK(m.gpr(kR9) == 0x400);
    CHECK(m.peek<uint64_t>(kStack0 - 40) == at(do_dr, 0));
  });
}

TEST_CASE("single steps: not after MOV SS, after STI, and after the POPF that ends them") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, step_over_ss, debug_noting, 0, 0);
    m.finish(stepwise);
    // movl 2, pushfq 1, orq 8, popfq 1; nop, movl 2, nop, sti, nop, pushfq, andq 8, popfq
    CHECK(m.noted() == Rips{at(step_over_ss, 13), at(step_over_ss, 16), at(step_over_ss, 17), at(step_over_ss, 18),
                            at(step_over_ss, 19), at(step_over_ss, 27), at(step_over_ss, 28)});
    CHECK(m.gpr(kR8) == (kDr6 | 1 << 14));
  });
}

TEST_CASE("with BTF only a branch traps, and BTF is off then") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, step_branches, debug_noting, 0, 0, kBranches);
    m.set_gate64(1, TestMachine::address(debug_halting));
    m.finish(stepwise);
    CHECK(m.peek<uint64_t>(kStack0 - 40) == at(step_branches, 15));
    CHECK(m.gpr(kR8) == (kDr6 | 1 << 14));
  });
}

TEST_CASE("a single step ends a HLT at once") {
  in_each_way([](bool as_is, bool) {
    DebugMachine m(as_is, step_hlt, debug_halting, 0, 0);
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.regs().rip == at(debug_halting, 9));
    CHECK(m.peek<uint64_t>(kStack0 - 40) == at(step_hlt, 11));
  });
}

TEST_CASE("INT1 leaves DR6 as it is") {
  in_each_way([](bool as_is, bool stepwise) {
    DebugMachine m(as_is, do_icebp, debug_halting, 0, 0);
    m.finish(stepwise);
    CHECK(m.gpr(kR8) == kDr6);
  });
}

TEST_CASE("a saved CPU has its breakpoints armed, and what is to be told") {
  DebugMachine m(false, watched, debug_noting, kData, kGlobal0 | kWrite8);
  REQUIRE(m.run(2) == CpuExit::kSlice);  // the store is done, its trap is not
  const std::vector<std::byte> saved = m.cpu->save_state();
  DebugMachine n(false, watched, debug_noting, 0, 0);
  std::copy(m.ram.begin(), m.ram.end(), n.ram.begin());
  REQUIRE(n.cpu->restore_state(saved));
  n.finish(false);
  CHECK(n.noted() == Rips{at(watched, 4)});
}

}  // namespace
