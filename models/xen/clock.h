// What a guest reads of the time: pvclock areas, the wall clock, and runstate accounting; and the latch of the layout
// in use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Latches the 64- or 32-bit layout of shared_info (hypercall-page MSR, HVM_PARAM_CALLBACK_IRQ) and writes the wall
// clock in it, which is there from then on.
void latch_abi(Entry& entry, Domain& domain, bool mode64);

// Writes wc_version, wc_sec, wc_nsec (and wc_sec_hi) of shared_info, version odd meanwhile.
void update_wallclock(Entry& entry, Domain& domain);

// Writes the vCPU's vcpu_time_info, and its secondary copy if one is registered.
void update_vcpu_time(Entry& entry, Vcpu& vcpu);

// The same if it is time to: the first time, or a second of system time after the last (Xen's calibration period).
void refresh_vcpu_time(Entry& entry, Vcpu& vcpu);

// Moves the vCPU to RUNSTATE_`state`, counting the time since the last change.
void change_runstate(Entry& entry, Vcpu& vcpu, uint32_t state) XS_REQUIRES(vcpu.lock);

// The vCPU's runstate as of now.
Runstate current_runstate(Entry& entry, Vcpu& vcpu);

// What the guest is told of it.
Runstate shown_runstate(const Flavour& flavour, Runstate runstate);

// A runstate as the guest's struct vcpu_runstate_info, in either layout: how many bytes of `to` were written.
size_t pack_runstate(const Runstate& runstate, bool abi32, std::span<std::byte, 48> to);

// Writes the registered runstate area, if there is one; by guest-virtual address, through the vCPU's page tables as
// they are now (but for trait areas_by_physical_address). Where VMASST_TYPE_runstate_update_flag is on, the area is
// flagged while it is written.
void update_runstate_area(Entry& entry, Vcpu& vcpu);
// A time area that is about to be registered by its guest-physical address (trait physical_areas): the time now,
// version 0.
void fill_time_place(Entry& entry, Vcpu& vcpu, Maddr place);

}  // namespace xensim::xen
