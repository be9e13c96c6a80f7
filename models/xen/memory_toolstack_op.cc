// Sub-ops of memory_op that are of use to toolstacks alone: populate-on-demand targets, memory access rights, virtual
// NUMA, reserved device memory.
#include <array>
#include <span>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"
#include "models/xen/memory_op.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

#pragma pack(push, 4)
// struct xen_pod_target, without the padding that the 64-bit one ends with.
struct PodTarget {
  uint64_t target_pages;
  uint64_t tot_pages;
  uint64_t pod_cache_pages;
  uint64_t pod_entries;
  uint16_t domid;
  uint16_t padding;
};
#pragma pack(pop)
static_assert(sizeof(PodTarget) == 36);

// The head of struct xen_mem_access_op; two handles follow.
struct AccessOp {
  uint8_t op;
  uint8_t access;
  uint16_t domid;
  uint32_t nr;
  uint64_t pfn;
};
static_assert(sizeof(AccessOp) == 16);

// flags, nr_entries, a handle, a device.
struct ReservedMemory {
  uint32_t flags;
  uint32_t nr_entries;
};
constexpr uint32_t kAllDevices = 1;  // XENMEM_RDM_ALL

// Reads whatever else the call takes at `at`, as Xen does. false: -EFAULT.
bool readable(HypercallContext& context, Gva at, unsigned bytes) {
  std::array<std::byte, 64> argument;
  return copy_from_guest(context, context.vcpu, std::span(argument).first(bytes), at) == 0;
}

}  // namespace

// No page of any domain comes on demand, so a target changes nothing.
int64_t pod_target(HypercallContext& context, uint32_t op, Gva at) {
  PodTarget target;
  if (!read_guest(context, at, target)) return -XEN_EFAULT;
  if (context.mode64() && !readable(context, Gva{at.v + sizeof(target)}, 4)) return -XEN_EFAULT;
  Domain* const domain = context.domain_by_any_id(DomId{target.domid});
  if (domain == nullptr) return target.domid == 0 ? -XEN_EINVAL : -XEN_ESRCH;  // domain 0 is no HVM guest
  if (!context.domain.privileged()) return -XEN_EPERM;
  P2m& p2m = domain->p2m();
  {
    const LockGuard guard(context, p2m.lock);
    if (op == kXenmemSetPodTarget && target.target_pages > p2m.max_pages()) return -XEN_EINVAL;
    target.tot_pages = p2m.current_pages();
  }
  target.pod_cache_pages = 0;
  target.pod_entries = 0;
  return write_guest(context, at, target) ? 0 : -XEN_EFAULT;
}

// The right to watch a domain's accesses needs Intel's paging (measured on an AMD processor).
int64_t memory_access_op(HypercallContext& context, Gva at) {
  AccessOp op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  if (!readable(context, Gva{at.v + sizeof(op)}, context.mode64() ? 16 : 8)) return -XEN_EFAULT;
  // A domain cannot be its own watcher: DOMID_SELF is not looked up, and its number is refused.
  if (op.domid == context.domain.id().v) return -XEN_EPERM;
  if (op.domid != 0 && context.hv.find_domain(DomId{op.domid}) == nullptr) return -XEN_ESRCH;
  return -XEN_EINVAL;
}

int64_t get_vnuma_info(HypercallContext& context, uint64_t start, Gva at) {
  xen_vnuma_topology_info topology;  // the same in both widths
  if (context.mode64() && start != 0) return -XEN_EINVAL;
  if (!read_guest(context, at, topology)) return -XEN_EFAULT;
  if (start != 0 || topology.pad != 0) return -XEN_EINVAL;
  Domain* domain = nullptr;
  if (const int64_t error = find_memory_target(context, topology.domid, domain, -XEN_EPERM); error != 0) return error;
  return -XEN_EOPNOTSUPP;  // no domain has a virtual NUMA layout
}

// No device has reserved memory.
int64_t reserved_device_memory(HypercallContext& context, uint64_t start, Gva at) {
  if (start != 0) return -XEN_EINVAL;
  ReservedMemory query;
  if (!read_guest(context, at, query)) return -XEN_EFAULT;
  if (!readable(context, Gva{at.v + sizeof(query)}, context.mode64() ? 16 : 8)) return -XEN_EFAULT;
  if ((query.flags & ~kAllDevices) != 0) return -XEN_EINVAL;
  query.nr_entries = 0;
  return write_guest_member(context, at, query, query.nr_entries) ? 0 : -XEN_EFAULT;
}

}  // namespace xensim::xen
