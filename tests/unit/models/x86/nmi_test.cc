// NMIs: one at a time, until an IRET (SDM vol. 3, 7.7.1); in both widths, in whole slices and one instruction at a
// time.
#include <doctest/doctest.h>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char count_loop[], count_loop_32[], nmi_handler_q[], nmi_handler_l[], nmi_trapping_q[],
    nmi_trapping_l[], nmi_halting_q[], nmi_halting_l[], nmi_faulting_q[], nmi_faulting_l[], nmi_return_q[],
    nmi_return_l[], nmi_forward_q[], nmi_forward_l[];

using namespace xensim;
using namespace xensim::x86::test;

namespace {

struct Width {
  const char* name;
  bool wide;
  const unsigned char *loop, *handler, *trapping, *halting, *faulting, *plain_return, *forward;
};

const Width kWidths[] = {
    {"64-bit", true, count_loop, nmi_handler_q, nmi_trapping_q, nmi_halting_q, nmi_faulting_q, nmi_return_q,
     nmi_forward_q},
    {"32-bit", false, count_loop_32, nmi_handler_l, nmi_trapping_l, nmi_halting_l, nmi_faulting_l, nmi_return_l,
     nmi_forward_l},
};

// A vCPU in count_loop, ten instructions in, with an NMI raised. Its handler's port write raises `more`, the first
// time.
struct NmiMachine : TestMachine {
  NmiMachine(const Width& chosen, const unsigned char* handler, unsigned more, bool waits_for_exit = false)
      : TestMachine(1, false, waits_for_exit), width(chosen) {
    width.wide ? long64(width.loop, width.forward) : protected32(width.loop, width.forward);
    gate(2, handler);
    gate(3, width.plain_return);
    on_call = [this](VcpuId vcpu) {
      for (unsigned i = 0; i < std::exchange(left_, 0); ++i) cpu->raise_nmi(vcpu);
    };
    left_ = more;
    CHECK(run(10) == CpuExit::kSlice);
    interrupted = regs().rip;
    cpu->raise_nmi({0});
    CHECK(cpu->nmi_ready({0}));
  }
  void gate(unsigned vector, const unsigned char* to) {
    width.wide ? set_gate64(vector, address(to)) : set_gate32(vector, address(to));
  }
  // In slices of one instruction, which must make no difference.
  void go(uint64_t instructions, bool stepwise) {
    if (!stepwise) CHECK(run(instructions) == CpuExit::kSlice);
    for (uint64_t i = 0; stepwise && i < instructions; ++i) CHECK(run(1) == CpuExit::kSlice);
  }
  uint32_t taken() { return static_cast<uint32_t>(gpr(kRdi)); }
  uint32_t ended() { return static_cast<uint32_t>(gpr(kRsi)); }
  // What the last frame pushed says of where it came from.
  uint64_t return_address(uint64_t above = 0) {
    return width.wide ? peek<uint64_t>(gpr(kRsp) + above * 8) : peek<uint32_t>(gpr(kRsp) + above * 4);
  }

  const Width& width;
  uint64_t interrupted = 0;

 private:
  unsigned left_ = 0;
};

template <class Body>
void in_each_way(const Body& body) {
  for (const Width& width : kWidths) {
    for (const bool stepwise : {false, true}) {
      CAPTURE(width.name);
      CAPTURE(stepwise);
      body(width, stepwise);
    }
  }
}

TEST_CASE("NMIs that come while one is handled: one waits for its IRET, a second is lost in it") {
  in_each_way([](const Width& width, bool stepwise) {
    NmiMachine m(width, width.handler, 2);
    m.go(2, stepwise);
    CHECK_FALSE(m.cpu->nmi_ready({0}));  // it waits
    m.go(1, stepwise);
    CHECK(m.taken() == 1);
    CHECK(m.ended() == 1);
    CHECK(m.return_address() == m.interrupted);
    m.go(1, stepwise);  // the IRET
    CHECK(m.cpu->nmi_ready({0}));
    m.go(1, stepwise);
    CHECK(m.taken() == 2);
    CHECK(m.return_address() == m.interrupted);  // not one instruction of the loop came between
    m.go(3, stepwise);
    CHECK(m.ended() == 2);
    CHECK(m.regs().rip == m.interrupted);
    m.go(20, stepwise);
    CHECK(m.taken() == 2);
    CHECK(m.count() == 10 + 4 + 4 + 20);
  });
}

TEST_CASE("after its IRET the next NMI is taken at once") {
  in_each_way([](const Width& width, bool stepwise) {
    NmiMachine m(width, width.handler, 0);
    m.go(4, stepwise);
    CHECK(m.regs().rip == m.interrupted);
    m.cpu->raise_nmi({0});
    CHECK(m.cpu->nmi_ready({0}));
    m.go(1, stepwise);
    CHECK(m.taken() == 2);
  });
}

TEST_CASE("the IRET of an exception inside the handler lets the next NMI in") {
  in_each_way([](const Width& width, bool stepwise) {
    NmiMachine m(width, width.trapping, 1);
    m.go(3, stepwise);  // up to INT3
    CHECK(m.taken() == 1);
    CHECK_FALSE(m.cpu->nmi_ready({0}));
    m.go(1, stepwise);  // its IRET
    CHECK(m.cpu->nmi_ready({0}));
    m.go(1, stepwise);
    CHECK(m.taken() == 2);
    CHECK(m.ended() == 0);
    CHECK(m.return_address() == m.address(width.trapping) + (width.wide ? 5 : 4));  // after INT3
    m.go(10, stepwise);
    CHECK(m.ended() == 2);
    CHECK(m.taken() == 2);
  });
}

TEST_CASE("an NMI that waits ends no HLT inside the handler") {
  for (const Width& width : kWidths) {
    CAPTURE(width.name);
    NmiMachine m(width, width.halting, 1);
    CHECK(m.run() == CpuExit::kHalt);
    CHECK(m.taken() == 1);
    CHECK_FALSE(m.cpu->nmi_ready({0}));
    CHECK(m.run(2) == CpuExit::kSlice);  // woken by something else: INC, IRET
    CHECK(m.ended() == 1);
    CHECK(m.cpu->nmi_ready({0}));
    CHECK(m.run() == CpuExit::kHalt);
    CHECK(m.taken() == 2);
  }
}

TEST_CASE("an IRET that faults lets the next NMI in all the same") {
  in_each_way([](const Width& width, bool stepwise) {
    NmiMachine m(width, width.faulting, 1);
    m.gate(13, width.forward);
    m.go(4, stepwise);  // up to the IRET
    CHECK_FALSE(m.cpu->nmi_ready({0}));
    m.go(1, stepwise);  // #GP, and the NMI before its handler's first instruction
    CHECK(m.taken() == 2);
    CHECK(m.return_address() == m.address(width.forward));
  });
}

TEST_CASE("where NMIs wait for an exit, the next comes at one, or once interrupts are taken") {
  in_each_way([](const Width& width, bool stepwise) {
    NmiMachine m(width, width.handler, 1, true);
    m.go(4 + 10, stepwise);  // the handler, its IRET, and more of the loop
    CHECK(m.ended() == 1);
    CHECK(m.taken() == 1);
    CHECK(m.cpu->nmi_ready({0}));
    m.change([](CpuRegs& r) { r.rflags |= 0x200; });
    m.go(1, stepwise);
    CHECK(m.taken() == 2);
  });
  in_each_way([](const Width& width, bool stepwise) {
    NmiMachine m(width, width.handler, 1, true);
    m.go(4 + 10, stepwise);
    m.cpu->raise_interrupt({0});  // whoever does that makes the vCPU leave the guest
    m.go(1, stepwise);
    CHECK(m.taken() == 2);
  });
  for (const Width& width : kWidths) {
    CAPTURE(width.name);
    NmiMachine m(width, width.trapping, 1, true);
    m.go(3 + 1 + 2, true);  // up to INT3, its IRET, and the handler's end
    CHECK(m.taken() == 1);
    CHECK(m.ended() == 1);
    m.change([&](CpuRegs& r) { r.rip = m.address(width.halting) + (width.wide ? 4 : 3); });
    m.go(2, false);  // HLT is an exit, so it ends at once
    CHECK(m.taken() == 2);
  }
}

TEST_CASE("INIT takes away an NMI that waits, and what it waits for") {
  NmiMachine m(kWidths[0], nmi_handler_q, 1);
  CHECK(m.run(2) == CpuExit::kSlice);
  m.cpu->init({0});
  CHECK_FALSE(m.cpu->nmi_ready({0}));
  m.cpu->raise_nmi({0});
  CHECK(m.cpu->nmi_ready({0}));
}

}  // namespace
