// What the files of memory_op share: whom a call may act on, and the families of sub-ops.
//
// `start` is where a call goes on that was preempted: its number stands above the sub-op, so a guest may set it too.
// Each handler gives what the hypercall returns.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

inline constexpr unsigned kExtentShift = 6;  // memory.h, MEMOP_EXTENT_SHIFT
inline constexpr uint64_t kMaxExtents = ~0u >> kExtentShift;

// Sub-ops that memory.h has for toolstacks alone.
inline constexpr uint32_t kXenmemSetPodTarget = 16;
inline constexpr uint32_t kXenmemGetPodTarget = 17;
inline constexpr uint32_t kXenmemSharingFreedPages = 18;
inline constexpr uint32_t kXenmemSharingSharedPages = 19;
inline constexpr uint32_t kXenmemAccessOp = 21;
inline constexpr uint32_t kXenmemClaimPages = 24;
inline constexpr uint32_t kXenmemReservedDeviceMemoryMap = 27;

// A domain that the caller may act for: itself, or any if it is privileged. 0 with `domain`, -ESRCH or -EPERM. Domain 0
// always exists in Xen, whether or not this machine has one of its own; it is no HVM guest, which some calls say first
// (`of_control_domain`).
int64_t find_memory_target(HypercallContext& context, uint16_t domid, Domain*& domain, int64_t of_control_domain);

// The largest extent that the caller may ask for at once, as a power of 2 of pages.
uint32_t max_extent_order(const HypercallContext& context);
// Does Xen refuse a reservation's mem_flags (XENMEMF_*) to the caller?
bool memory_flags_refused(const HypercallContext& context, uint32_t flags);

int64_t change_reservation(HypercallContext& context, uint32_t op, uint64_t start, Gva at);
int64_t reservation_figure(HypercallContext& context, uint32_t op, uint64_t start, Gva at);
int64_t claim_pages(HypercallContext& context, uint64_t start, Gva at);
int64_t exchange_memory(HypercallContext& context, uint64_t start, Gva at);

int64_t add_to_physmap(HypercallContext& context, uint64_t start, Gva at);
int64_t add_to_physmap_batch(HypercallContext& context, uint64_t start, Gva at);
int64_t remove_from_physmap(HypercallContext& context, uint64_t start, Gva at);
int64_t acquire_resource(HypercallContext& context, uint64_t start, Gva at);
// The two of these that QEMU has, as it does them (trait few_memory_ops); else -ENOSYS.
int64_t few_memory_ops(HypercallContext& context, uint64_t op, Gva at);

int64_t get_memory_map(HypercallContext& context, Gva at);
int64_t set_memory_map(HypercallContext& context, Gva at);
int64_t machphys_mfn_list(HypercallContext& context, Gva at);

// PoD targets, memory access and virtual NUMA: of use to toolstacks alone.
int64_t pod_target(HypercallContext& context, uint32_t op, Gva at);
int64_t memory_access_op(HypercallContext& context, Gva at);
int64_t get_vnuma_info(HypercallContext& context, uint64_t start, Gva at);
int64_t reserved_device_memory(HypercallContext& context, uint64_t start, Gva at);

}  // namespace xensim::xen
