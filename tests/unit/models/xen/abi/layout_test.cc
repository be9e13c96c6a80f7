// Layouts (A2 of the coverage table): 64-bit as in the public headers, 32-bit as declared beside them, both as numbers.
#include <doctest/doctest.h>

#include <cstddef>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"

namespace xensim {
namespace {

namespace abi32 = xen::abi32;

TEST_CASE("A2 shared_info: size, bitmaps, wall clock, arch") {
  CHECK(sizeof(::shared_info) == 3136);
  CHECK(sizeof(abi32::shared_info) == 2344);
  CHECK(offsetof(::shared_info, evtchn_pending) == 0x800);
  CHECK(offsetof(abi32::shared_info, evtchn_pending) == 0x800);
  CHECK(offsetof(::shared_info, evtchn_mask) == 0xa00);
  CHECK(offsetof(abi32::shared_info, evtchn_mask) == 0x880);
  CHECK(sizeof(::shared_info::evtchn_pending) * 8 == 4096);
  CHECK(sizeof(abi32::shared_info::evtchn_pending) * 8 == 1024);
  CHECK(offsetof(::shared_info, wc_version) == 0xc00);
  CHECK(offsetof(::shared_info, wc_sec) == 0xc04);
  CHECK(offsetof(::shared_info, wc_nsec) == 0xc08);
  CHECK(offsetof(::shared_info, wc_sec_hi) == 0xc0c);
  CHECK(offsetof(abi32::shared_info, wc_version) == 0x900);
  CHECK(offsetof(abi32::shared_info, wc_sec) == 0x904);
  CHECK(offsetof(abi32::shared_info, wc_nsec) == 0x908);
  CHECK(offsetof(abi32::shared_info, arch.wc_sec_hi) == 0x924);
  CHECK(offsetof(::shared_info, arch) == 0xc10);
  CHECK(offsetof(abi32::shared_info, arch) == 0x90c);
}

TEST_CASE("A2 vcpu_info and vcpu_time_info") {
  CHECK(sizeof(::vcpu_info) == 64);
  CHECK(sizeof(abi32::vcpu_info) == 64);
  CHECK(offsetof(::vcpu_info, evtchn_upcall_pending) == 0);
  CHECK(offsetof(abi32::vcpu_info, evtchn_upcall_pending) == 0);
  CHECK(offsetof(::vcpu_info, evtchn_upcall_mask) == 1);
  CHECK(offsetof(abi32::vcpu_info, evtchn_upcall_mask) == 1);
  CHECK(offsetof(::vcpu_info, evtchn_pending_sel) == 8);
  CHECK(offsetof(abi32::vcpu_info, evtchn_pending_sel) == 4);
  CHECK(offsetof(::vcpu_info, arch) == 16);
  CHECK(offsetof(abi32::vcpu_info, arch) == 8);
  CHECK(offsetof(::vcpu_info, time) == 32);
  CHECK(offsetof(abi32::vcpu_info, time) == 32);
  CHECK(sizeof(::vcpu_time_info) == 32);
  CHECK(offsetof(::vcpu_time_info, tsc_timestamp) == 8);
  CHECK(offsetof(::vcpu_time_info, system_time) == 16);
  CHECK(offsetof(::vcpu_time_info, tsc_to_system_mul) == 24);
  CHECK(offsetof(::vcpu_time_info, tsc_shift) == 28);
  CHECK(offsetof(::vcpu_time_info, flags) == 29);
}

TEST_CASE("A2 vcpu_runstate_info") {
  CHECK(sizeof(::vcpu_runstate_info) == 48);
  CHECK(sizeof(abi32::vcpu_runstate_info) == 44);
  CHECK(offsetof(::vcpu_runstate_info, state) == 0);
  CHECK(offsetof(abi32::vcpu_runstate_info, state) == 0);
  CHECK(offsetof(::vcpu_runstate_info, state_entry_time) == 8);
  CHECK(offsetof(abi32::vcpu_runstate_info, state_entry_time) == 4);
  CHECK(offsetof(::vcpu_runstate_info, time) == 16);
  CHECK(offsetof(abi32::vcpu_runstate_info, time) == 12);
  CHECK(XEN_RUNSTATE_UPDATE == uint64_t{1} << 63);
}

TEST_CASE("A2 sched_poll, timers and registration") {
  CHECK(sizeof(::sched_poll) == 24);
  CHECK(sizeof(abi32::sched_poll) == 16);
  CHECK(offsetof(::sched_poll, nr_ports) == 8);
  CHECK(offsetof(abi32::sched_poll, nr_ports) == 4);
  CHECK(offsetof(::sched_poll, timeout) == 16);
  CHECK(offsetof(abi32::sched_poll, timeout) == 8);
  CHECK(sizeof(::vcpu_set_singleshot_timer) == 16);
  CHECK(sizeof(abi32::vcpu_set_singleshot_timer) == 12);
  CHECK(offsetof(::vcpu_set_singleshot_timer, flags) == 8);
  CHECK(offsetof(abi32::vcpu_set_singleshot_timer, flags) == 8);
  CHECK(sizeof(::vcpu_set_periodic_timer) == 8);
  CHECK(sizeof(::vcpu_register_vcpu_info) == 16);
  CHECK(sizeof(::vcpu_register_runstate_memory_area) == 8);
  CHECK(sizeof(::vcpu_register_time_memory_area) == 8);
  CHECK(sizeof(::sched_watchdog) == 8);
  CHECK(sizeof(::sched_shutdown) == 4);
  CHECK(sizeof(::sched_remote_shutdown) == 8);
}

TEST_CASE("A2 vcpu_hvm_context") {
  CHECK(offsetof(::vcpu_hvm_context, mode) == 0);
  CHECK(offsetof(::vcpu_hvm_context, cpu_regs) == 8);
  CHECK(offsetof(::vcpu_hvm_x86_32, cr0) == 40);
  CHECK(offsetof(::vcpu_hvm_x86_32, efer) == 56);
  CHECK(offsetof(::vcpu_hvm_x86_64, rip) == 64);
}

TEST_CASE("A2 grant table operations and add_to_physmap") {
  CHECK(sizeof(::gnttab_map_grant_ref) == 32);
  CHECK(sizeof(::gnttab_unmap_grant_ref) == 24);
  CHECK(sizeof(::gnttab_copy) == 40);
  CHECK(sizeof(::gnttab_setup_table) == 24);
  CHECK(sizeof(abi32::gnttab_copy) == 24);
  CHECK(sizeof(abi32::gnttab_setup_table) == 16);
  CHECK(sizeof(::xen_add_to_physmap) == 24);
  CHECK(sizeof(abi32::xen_add_to_physmap) == 16);
  CHECK(offsetof(::xen_add_to_physmap, idx) == 8);
  CHECK(offsetof(abi32::xen_add_to_physmap, idx) == 8);
  CHECK(offsetof(::xen_add_to_physmap, gpfn) == 16);
  CHECK(offsetof(abi32::xen_add_to_physmap, gpfn) == 12);
}

}  // namespace
}  // namespace xensim
