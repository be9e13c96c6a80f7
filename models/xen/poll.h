// SCHEDOP_poll and SCHEDOP_block: how a vCPU goes to sleep until an event, and how others wake it.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// The event `port` of `vcpu`'s domain became pending for `vcpu`; was it masked? Wakes vCPUs that poll for it.
void check_pollers(Entry& entry, Vcpu& vcpu, uint32_t port, bool masked);

// Wakes the vCPU if it is blocked; ends its poll.
void unblock(Entry& entry, Vcpu& vcpu);

// Unblocks the vCPU and tells its CPU to look for upcalls.
void kick(Entry& entry, Vcpu& vcpu);

// Runstate and Platform::set_runnable follow `blocked` and `down`.
void sync_runnable(Entry& entry, Vcpu& vcpu);

// SCHEDOP_block, and HLT with interrupts on: sleeps unless an upcall waits that could be taken.
void block(Entry& entry, Vcpu& vcpu, bool interrupts_enabled);

// SCHEDOP_poll's argument in its 64-bit layout.
int64_t poll(HypercallContext& context);

// The poll's time is over.
void poll_timer_expired(Entry& entry, Vcpu& vcpu);

}  // namespace xensim::xen
