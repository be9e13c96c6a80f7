// The 32-bit layouts of the guest ABI, beside those of <xen/...>: field names as there, pointers and longs 32 bits
// wide, 64-bit integers aligned to 4 (System V ABI, i386). Structs without such members are the same in both widths and
// not repeated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/xen/abi/public.h"

namespace xensim::xen::abi32 {

// A guest pointer of the 32-bit ABI.
struct Handle {
  uint32_t p;
};

#pragma pack(push, 4)

struct arch_vcpu_info {
  uint32_t cr2;
  uint32_t pad[5];
};

struct vcpu_info {
  uint8_t evtchn_upcall_pending;
  uint8_t evtchn_upcall_mask;
  uint32_t evtchn_pending_sel;
  arch_vcpu_info arch;
  vcpu_time_info time;
};

struct arch_shared_info {
  uint32_t max_pfn;
  uint32_t pfn_to_mfn_frame_list_list;
  uint32_t nmi_reason;
  uint32_t p2m_cr3;
  uint32_t p2m_vaddr;
  uint32_t p2m_generation;
  uint32_t wc_sec_hi;
};

struct shared_info {
  vcpu_info vcpu_info_[XEN_LEGACY_MAX_VCPUS];
  uint32_t evtchn_pending[32];
  uint32_t evtchn_mask[32];
  uint32_t wc_version;
  uint32_t wc_sec;
  uint32_t wc_nsec;
  arch_shared_info arch;
};

struct vcpu_runstate_info {
  int32_t state;
  uint64_t state_entry_time;
  uint64_t time[4];
};

struct sched_poll {
  Handle ports;
  uint32_t nr_ports;
  uint64_t timeout;
};

struct vcpu_set_singleshot_timer {
  uint64_t timeout_abs_ns;
  uint32_t flags;
};

// The union of the 64-bit struct holds a uint64_t beside the handle: the size is the same, only the handle is shorter.
struct vcpu_register_runstate_memory_area {
  union {
    Handle h;
    uint64_t p;
  } addr;
};
struct vcpu_register_time_memory_area {
  union {
    Handle h;
    uint64_t p;
  } addr;
};

struct gnttab_setup_table {
  uint16_t dom;
  uint32_t nr_frames;
  int16_t status;
  Handle frame_list;
};

struct gnttab_get_status_frames {
  uint32_t nr_frames;
  uint16_t dom;
  int16_t status;
  Handle frame_list;
};

struct gnttab_copy_ptr {
  union {
    uint32_t ref;
    uint32_t gmfn;
  } u;
  uint16_t domid;
  uint16_t offset;
};
struct gnttab_copy {
  gnttab_copy_ptr source, dest;
  uint16_t len;
  uint16_t flags;
  int16_t status;
};

struct xen_memory_reservation {
  Handle extent_start;
  uint32_t nr_extents;
  uint32_t extent_order;
  uint32_t mem_flags;
  uint16_t domid;
};

struct xen_machphys_mfn_list {
  uint32_t max_extents;
  Handle extent_start;
  uint32_t nr_extents;
};

struct xen_add_to_physmap {
  uint16_t domid;
  uint16_t size;
  uint32_t space;
  uint32_t idx;
  uint32_t gpfn;
};

struct xen_add_to_physmap_batch {
  uint16_t domid;
  uint16_t space;
  uint16_t size;
  union {
    uint16_t foreign_domid;
    uint16_t res0;
  } u;
  Handle idxs;
  Handle gpfns;
  Handle errs;
};

struct xen_remove_from_physmap {
  uint16_t domid;
  uint32_t gpfn;
};

struct xen_memory_map {
  uint32_t nr_entries;
  Handle buffer;
};

struct xen_mem_acquire_resource {
  uint16_t domid;
  uint16_t type;
  uint32_t id;
  uint32_t nr_frames;
  uint32_t pad;
  uint64_t frame;
  Handle frame_list;
};

struct xen_platform_parameters {
  uint32_t virt_start;
};

struct multicall_entry {
  uint32_t op;
  uint32_t result;
  uint32_t args[6];
};

struct physdev_map_pirq {
  uint16_t domid;
  int32_t type;
  int32_t index;
  int32_t pirq;
  int32_t bus;
  int32_t devfn;
  int32_t entry_nr;
  uint64_t table_base;
};

struct e820entry {
  uint64_t addr;
  uint64_t size;
  uint32_t type;
};

#pragma pack(pop)

}  // namespace xensim::xen::abi32

namespace xensim::xen {

// The guest address that a 32-bit handle holds.
inline uint64_t handle_value(abi32::Handle handle) { return handle.p; }

// Where either layout puts what the core touches directly (Xen public/xen.h, compiled for both widths).
#define XS_OFFSET(type, member, offset) static_assert(offsetof(type, member) == (offset))
#define XS_SIZE(type, bytes) static_assert(sizeof(type) == (bytes))

XS_SIZE(::shared_info, 3136);
XS_SIZE(::vcpu_info, 64);
XS_OFFSET(::shared_info, evtchn_pending, 0x800);
XS_OFFSET(::shared_info, evtchn_mask, 0xa00);
XS_OFFSET(::shared_info, wc_version, 0xc00);
XS_OFFSET(::shared_info, wc_sec, 0xc04);
XS_OFFSET(::shared_info, wc_nsec, 0xc08);
XS_OFFSET(::shared_info, wc_sec_hi, 0xc0c);
XS_OFFSET(::shared_info, arch, 0xc10);
XS_OFFSET(::vcpu_info, evtchn_upcall_pending, 0);
XS_OFFSET(::vcpu_info, evtchn_upcall_mask, 1);
XS_OFFSET(::vcpu_info, evtchn_pending_sel, 8);
XS_OFFSET(::vcpu_info, arch, 16);
XS_OFFSET(::vcpu_info, time, 32);
XS_SIZE(::vcpu_time_info, 32);
XS_SIZE(::vcpu_runstate_info, 48);
XS_OFFSET(::vcpu_runstate_info, state_entry_time, 8);
XS_OFFSET(::vcpu_runstate_info, time, 16);
XS_SIZE(::sched_poll, 24);
XS_OFFSET(::sched_poll, nr_ports, 8);
XS_OFFSET(::sched_poll, timeout, 16);
XS_SIZE(::vcpu_set_singleshot_timer, 16);
XS_OFFSET(::vcpu_set_singleshot_timer, flags, 8);
XS_SIZE(::vcpu_register_vcpu_info, 16);
XS_SIZE(::gnttab_map_grant_ref, 32);
XS_SIZE(::gnttab_unmap_grant_ref, 24);
XS_SIZE(::gnttab_copy, 40);
XS_SIZE(::gnttab_setup_table, 24);
XS_SIZE(::gnttab_unmap_and_replace, 24);
XS_SIZE(::gnttab_get_status_frames, 16);
XS_SIZE(::grant_entry_v1_t, 8);
XS_SIZE(::grant_entry_v2_t, 16);
XS_SIZE(::xen_add_to_physmap, 24);
XS_OFFSET(::xen_add_to_physmap, idx, 8);
XS_OFFSET(::xen_add_to_physmap, gpfn, 16);
XS_SIZE(::evtchn_fifo_control_block, 72);

XS_SIZE(abi32::shared_info, 2344);
XS_SIZE(abi32::vcpu_info, 64);
XS_OFFSET(abi32::shared_info, evtchn_pending, 0x800);
XS_OFFSET(abi32::shared_info, evtchn_mask, 0x880);
XS_OFFSET(abi32::shared_info, wc_version, 0x900);
XS_OFFSET(abi32::shared_info, wc_sec, 0x904);
XS_OFFSET(abi32::shared_info, wc_nsec, 0x908);
XS_OFFSET(abi32::shared_info, arch, 0x90c);
XS_OFFSET(abi32::shared_info, arch.wc_sec_hi, 0x924);
XS_OFFSET(abi32::vcpu_info, evtchn_upcall_pending, 0);
XS_OFFSET(abi32::vcpu_info, evtchn_upcall_mask, 1);
XS_OFFSET(abi32::vcpu_info, evtchn_pending_sel, 4);
XS_OFFSET(abi32::vcpu_info, arch, 8);
XS_OFFSET(abi32::vcpu_info, time, 32);
XS_SIZE(abi32::vcpu_runstate_info, 44);
XS_OFFSET(abi32::vcpu_runstate_info, state_entry_time, 4);
XS_OFFSET(abi32::vcpu_runstate_info, time, 12);
XS_SIZE(abi32::sched_poll, 16);
XS_OFFSET(abi32::sched_poll, nr_ports, 4);
XS_OFFSET(abi32::sched_poll, timeout, 8);
XS_SIZE(abi32::vcpu_set_singleshot_timer, 12);
XS_OFFSET(abi32::vcpu_set_singleshot_timer, flags, 8);
XS_SIZE(abi32::vcpu_register_runstate_memory_area, 8);
XS_SIZE(abi32::vcpu_register_time_memory_area, 8);
XS_SIZE(abi32::gnttab_setup_table, 16);
XS_OFFSET(abi32::gnttab_setup_table, status, 8);
XS_OFFSET(abi32::gnttab_setup_table, frame_list, 12);
XS_SIZE(abi32::gnttab_get_status_frames, 12);
XS_OFFSET(abi32::gnttab_get_status_frames, status, 6);
XS_SIZE(abi32::gnttab_copy, 24);
XS_OFFSET(abi32::gnttab_copy, dest, 8);
XS_OFFSET(abi32::gnttab_copy, len, 16);
XS_OFFSET(abi32::gnttab_copy, status, 20);
XS_SIZE(abi32::xen_add_to_physmap, 16);
XS_OFFSET(abi32::xen_add_to_physmap, idx, 8);
XS_OFFSET(abi32::xen_add_to_physmap, gpfn, 12);
XS_SIZE(abi32::xen_add_to_physmap_batch, 20);
XS_SIZE(abi32::xen_remove_from_physmap, 8);
XS_SIZE(abi32::xen_memory_reservation, 20);
XS_SIZE(abi32::xen_memory_map, 8);
XS_SIZE(abi32::xen_mem_acquire_resource, 28);
XS_SIZE(abi32::multicall_entry, 32);
XS_SIZE(abi32::e820entry, 20);

#undef XS_OFFSET
#undef XS_SIZE

}  // namespace xensim::xen
