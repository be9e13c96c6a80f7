// Preemption of long hypercalls: an event may come while one runs, and the guest shall not wait for its end to take it.
//
// As in Xen, a call that is preempted leaves the guest at its hypercall instruction, with registers that make it go on
// where it stopped; its handler for the event runs before. So a guest sees these registers, and may use them itself.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Shall the call stop here and go on later? Asked between two steps, after at least one of them. True while the vCPU
// would take an upcall by vector if it ran.
bool should_preempt(HypercallContext& context);

// Makes the call go on as hypercall `number` with these first arguments; the others stay. Gives what the handler
// returns.
int64_t continue_later(HypercallContext& context, uint64_t number, std::initializer_list<uint64_t> args);

}  // namespace xensim::xen
