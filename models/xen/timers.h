// A vCPU's timers: singleshot (VCPUOP_set_singleshot_timer, set_timer_op), periodic, and the time-out of SCHEDOP_poll.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Raises VIRQ_TIMER on the vCPU.
void send_timer_event(Entry& entry, Vcpu& vcpu);

// The event comes at `deadline_ns`; at once, inside the call, where that is past.
void set_singleshot(Entry& entry, Vcpu& vcpu, uint64_t deadline_ns);
void stop_singleshot(Entry& entry, Vcpu& vcpu);

// `timeout_ns`: SCHEDOP_poll's, as the guest gave it.
void arm_poll_timer(Entry& entry, Vcpu& vcpu, uint64_t timeout_ns);
// The vCPU runs again: trait poll_timer_cancelled ends the timer of its last poll.
void after_poll(Entry& entry, Vcpu& vcpu);

// Ticks from now on, every `period_ns`; 0 stops it.
void set_periodic(Entry& entry, Vcpu& vcpu, uint64_t period_ns);
// The vCPU goes to sleep: its periodic timer stops with it. periodic_work(), when it runs again, makes up for one tick.
void stop_ticks_while_blocked(Entry& entry, Vcpu& vcpu);
// Sends a tick if one is due, and arms the next.
void periodic_work(Entry& entry, Vcpu& vcpu);

}  // namespace xensim::xen
