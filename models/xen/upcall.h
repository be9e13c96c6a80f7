// How a vCPU is told of pending events: callback by vector, per-vCPU vector, GSI or PCI INTx; and the wake-up of a
// blocked vCPU.
#pragma once

#include <cstdint>
#include <optional>

#include "models/xen/api/core_api.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Sets vcpu_info.evtchn_upcall_pending and, if it was clear, notifies the vCPU.
void mark_events_pending(Entry& entry, Vcpu& vcpu);

// What SCHEDOP_block does first, and HLT. No HVM guest's upcalls heed the mask.
void unmask_upcalls(Entry& entry, Vcpu& vcpu);

// Trait events_wait_for_vcpu_info. A vCPU that had no vcpu_info when it was looked for: keeps the bits of its selector,
// and wakes it.
void hold_event(Entry& entry, Vcpu& vcpu, uint64_t selector_bits);
// The vCPU has a vcpu_info, or was told to have none: it gets what was kept.
void give_held_events(Entry& entry, Vcpu& vcpu);

// HVM_PARAM_CALLBACK_IRQ was set to `value` (hvm/params.h). Any value is accepted; an unknown type means none. Where
// there is no PIC, anything but a vector leaves the callback as it was.
void set_callback_via(Entry& entry, Domain& domain, uint64_t value);

// HVMOP_set_evtchn_upcall_vector: 0, -EINVAL (vector below 0x10) or -ENOENT (no such vCPU). A spurious upcall follows,
// unless trait upcall_vector_silent is on.
int64_t set_upcall_vector(Entry& entry, Domain& domain, uint32_t vcpu, uint8_t vector);

// Is HVM_PARAM_CALLBACK_IRQ a vector?
bool has_vector_callback(Domain& domain);

// The vector that the vCPU takes now, if its callback goes by vector and an upcall is pending and not masked.
std::optional<PendingUpcall> pending_upcall(Entry& entry, Vcpu& vcpu);

// The level of a GSI or INTx callback follows vCPU 0's upcall_pending.
void update_callback_level(Entry& entry, Domain& domain);
// A vCPU of the domain left the guest: that is when Xen finds that the guest has taken its upcall, and takes the level
// back.
inline void look_for_taken_upcall(Entry& entry, Domain& domain) {
  if (domain.callback_level.load(std::memory_order_relaxed)) update_callback_level(entry, domain);
}

// Tells a Platform that does not know it the level of the callback's line.
void announce_callback_level(Entry& entry, Domain& domain);

// Asserts a per-vCPU vector again, once its local APIC is enabled.
void reassert_after_lapic_enabled(Entry& entry, Vcpu& vcpu);

}  // namespace xensim::xen
