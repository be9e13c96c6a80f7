// do_memory_op: the memory hypercall. Its families of sub-ops have files of their own.
#include "models/xen/memory_op.h"

#include "models/xen/abi/public.h"

namespace xensim::xen {
namespace {

// The highest page of the machine's RAM, which XENMEM_maximum_ram_page tells everybody: a machine of 4 GiB.
constexpr int64_t kMaximumRamPage = 0x100000;

constexpr uint32_t kMaxOrder = 9;             // Xen's CONFIG_DOMU_MAX_ORDER
constexpr uint32_t kPrivilegedMaxOrder = 18;  // CONFIG_HWDOM_MAX_ORDER
constexpr uint32_t kMaxNodes = 64;            // MAX_NUMNODES

// Calls that know no continuation: Xen looks for the whole number, so one with `start` set is none of them.
int64_t plain_op(HypercallContext& context, uint32_t op, Gva at) {
  switch (op) {
    case XENMEM_memory_map: return get_memory_map(context, at);
    case XENMEM_set_memory_map: return set_memory_map(context, at);
    case XENMEM_machphys_mfn_list: return machphys_mfn_list(context, at);
    case XENMEM_machphys_compat_mfn_list: return -XEN_EOPNOTSUPP;  // 32-bit PV is off
    case kXenmemSetPodTarget:
    case kXenmemGetPodTarget: return pod_target(context, op, at);
    case kXenmemSharingFreedPages:
    case kXenmemSharingSharedPages: return 0;
    default: return -XEN_ENOSYS;  // machine_memory_map and machphys_mapping too: never for an HVM guest
  }
}

}  // namespace

int64_t find_memory_target(HypercallContext& context, uint16_t domid, Domain*& domain, int64_t of_control_domain) {
  domain = context.domain_by_any_id(DomId{domid});
  if (domain == nullptr) return domid == 0 ? of_control_domain : -XEN_ESRCH;
  return domain == &context.domain || context.domain.privileged() ? 0 : -XEN_EPERM;
}

uint32_t max_extent_order(const HypercallContext& context) {
  return context.domain.privileged() ? kPrivilegedMaxOrder : kMaxOrder;
}

bool memory_flags_refused(const HypercallContext& context, uint32_t flags) {
  const uint32_t address_bits = XENMEMF_get_address_bits(flags);
  if (address_bits != 0 && address_bits <= kPageShift) return true;
  if ((flags & XENMEMF_vnode) != 0) return false;  // no domain has virtual nodes: they are passed over
  const uint32_t node = (flags >> 8) & 0xff;       // one more than the node's number
  if (node == 0) return false;
  return context.domain.privileged() ? node > kMaxNodes : (flags & XENMEMF_exact_node_request) != 0;
}

int64_t do_memory_op(HypercallContext& context) {
  const auto op = static_cast<uint32_t>(context.arg(0) & ((1u << kExtentShift) - 1));
  const uint64_t start = context.arg(0) >> kExtentShift;
  const Gva at{context.arg(1)};
  if (context.flavour().few_memory_ops) return few_memory_ops(context, context.arg(0), at);
  switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap: return change_reservation(context, op, start, at);
    case XENMEM_maximum_ram_page: return start != 0 ? -XEN_EINVAL : kMaximumRamPage;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn: return reservation_figure(context, op, start, at);
    case XENMEM_exchange: return exchange_memory(context, start, at);
    case XENMEM_add_to_physmap: return add_to_physmap(context, start, at);
    case XENMEM_add_to_physmap_batch: return add_to_physmap_batch(context, start, at);
    case XENMEM_remove_from_physmap: return remove_from_physmap(context, start, at);
    case XENMEM_get_vnumainfo: return get_vnuma_info(context, start, at);
    case XENMEM_acquire_resource: return acquire_resource(context, start, at);
    case kXenmemAccessOp: return memory_access_op(context, at);
    case kXenmemClaimPages: return claim_pages(context, start, at);
    case kXenmemReservedDeviceMemoryMap: return reserved_device_memory(context, start, at);
    default: return start != 0 ? -XEN_ENOSYS : plain_op(context, op, at);
  }
}

}  // namespace xensim::xen
