// Between the two stacks of a native vCPU: the guest's, which lies in its RAM, and the host's, where everything runs
// that a guest calls. No frame, register or address of the host reaches the guest's stack, so what lies there is the
// same whatever compiler built the host; and an exception on the host's side never meets a guest's frame.
//
// Sanitizers need not be told of these crossings: no instrumented code ever runs on a guest's stack, and the fiber that
// they know has the host's.
#pragma once

#include <cstdint>

#include "scenarios/guest/native.h"

namespace xensim::sim {

// One a vCPU. Lies at the same address in every process, because guests keep a pointer to it (xs_native_ops::ctx).
struct GuestStack {
  uint64_t host_sp = 0;                // where the next call of the guest runs on the host's side
  uint64_t guest_sp = 0;               // where guest code goes on: the stack's top before the first call
  const void* const* calls = nullptr;  // what the guest's calls lead to, in the order of xs_native_ops, `leave` apart
  void* owner = nullptr;               // their first argument in place of ctx
};

extern "C" {
// Runs function(a0, a1) on the guest's stack, all other registers zero, until the guest calls `leave`. May be called
// again from inside a call of the guest (an interrupt).
void xensim_enter_guest(GuestStack* stack, void* function, uint64_t a0, uint64_t a1);

// What a guest is given as its xs_native_ops: each changes to the host's stack and calls calls[n] with the owner and
// the guest's arguments. Registers that a call may change are zero afterwards, but for the result.
uint64_t xensim_guest_access(void*, const char*, uint32_t, volatile void*, uint32_t, uint64_t, uint64_t);
long xensim_guest_hypercall(void*, unsigned, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long);
void xensim_guest_console(void*, const char*, unsigned);
void xensim_guest_set_irq(void*, int);
void xensim_guest_halt(void*);
void xensim_guest_pause(void*, const char*);
void xensim_guest_start_vcpu(void*, unsigned);
uint64_t xensim_guest_clock_ns(void*);
void xensim_guest_exit(void*, int);
void xensim_guest_leave(void*);
}

}  // namespace xensim::sim
