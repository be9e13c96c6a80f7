// do_grant_table_op: the grant-table hypercall, and its sub-ops on the caller's own table.
#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/grant_copy.h"
#include "models/xen/grant_map.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// What Xen's handle checks say at once: the array must not wrap around the address space or reach into its upper half.
bool array_addressable(Gva list, uint64_t bytes) { return list.v + bytes >= list.v; }

// An unprivileged domain may ask about its own table alone. Domain 0 always exists in Xen, here or not. GNTST_*.
int16_t find_table(HypercallContext& context, uint16_t domid, Domain*& domain) {
  domain = context.domain_by_any_id(DomId{domid});
  if (domain == nullptr) return domid == 0 ? GNTST_permission_denied : GNTST_bad_domain;
  return domain == &context.domain || context.domain.privileged() ? GNTST_okay : GNTST_permission_denied;
}

template <class Raw>
int64_t setup_table(HypercallContext& context, Gva at, uint32_t count) {
  if (count != 1) return -XEN_EINVAL;
  Raw op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  op.status = find_table(context, op.dom, domain);
  if (op.status == GNTST_okay) {
    GrantTable& grants = domain->grants();
    const LockGuard table(context, grants.lock);
    op.status = grants.grow(op.nr_frames) ? GNTST_okay : GNTST_general_error;
    // Where each frame is mapped now: an HVM guest places them itself, with XENMEM_add_to_physmap.
    using Pfn = std::conditional_t<std::is_same_v<Raw, gnttab_setup_table>, uint64_t, uint32_t>;
    for (uint32_t i = 0; op.status != GNTST_general_error && i < op.nr_frames; ++i) {
      std::optional<Gfn> gfn;
      {
        const LockGuard guard(context, domain->p2m().lock);
        gfn = domain->p2m().gfn_of(grants.frame(i));
      }
      const auto shown = static_cast<Pfn>(gfn ? gfn->v : ~uint64_t{0});
      if (!write_guest(context, Gva{handle_value(op.frame_list) + i * sizeof(Pfn)}, shown)) {
        op.status = GNTST_bad_virt_addr;
      }
    }
  }
  return write_guest_member(context, at, op, op.status) ? 0 : -XEN_EFAULT;
}

int64_t query_size(HypercallContext& context, Gva at, uint32_t count) {
  if (count != 1) return -XEN_EINVAL;
  gnttab_query_size op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  op.status = find_table(context, op.dom, domain);
  if (op.status == GNTST_okay) {
    const SharedLockGuard table(context, domain->grants().lock);
    op.nr_frames = domain->grants().frames();
    op.max_nr_frames = domain->grants().max_frames();
  }
  return write_guest(context, at, op) ? 0 : -XEN_EFAULT;
}

int64_t set_version(HypercallContext& context, Gva at) {
  gnttab_set_version op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  int64_t result = 0;
  if (op.version != 1 && op.version != 2) {
    result = -XEN_EINVAL;
  } else if (op.version == 2) {
    result = -XEN_ENOSYS;  // as where the domain was created with max_grant_version=1
  }
  op.version = 1;
  return write_guest(context, at, op) ? result : -XEN_EFAULT;
}

int64_t get_version(HypercallContext& context, Gva at) {
  gnttab_get_version op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  const int16_t status = find_table(context, op.dom, domain);
  if (status != GNTST_okay) return status == GNTST_bad_domain ? -XEN_ESRCH : -XEN_EPERM;
  op.version = 1;
  return write_guest_member(context, at, op, op.version) ? 0 : -XEN_EFAULT;
}

// Exchanges two entries of the caller's table, neither of which may be in use. GNTST_*.
int16_t swap(HypercallContext& context, uint32_t ref_a, uint32_t ref_b) {
  GrantTable& grants = context.domain.grants();
  const LockGuard table(context, grants.lock);
  if (ref_a >= grants.entries() || ref_b >= grants.entries()) return GNTST_bad_gntref;
  if (ref_a == ref_b) return GNTST_okay;
  ActiveEntry& low = grants.active(std::min(ref_a, ref_b));
  ActiveEntry& high = grants.active(std::max(ref_a, ref_b));
  const LockGuard low_guard(context, low.lock);
  const LockGuard high_guard(context, high.lock);
  if (low.pin != 0 || high.pin != 0) return GNTST_eagain;
  std::array<std::byte, 8> a, b;
  Platform& platform = context.platform();
  platform.read(Site::kGrantEntry, grants.entry_address(ref_a), a);
  platform.read(Site::kGrantEntry, grants.entry_address(ref_b), b);
  platform.write(Site::kGrantEntry, grants.entry_address(ref_a), b);
  platform.write(Site::kGrantEntry, grants.entry_address(ref_b), a);
  return GNTST_okay;
}

int64_t swap_grant_refs(HypercallContext& context, Gva list, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const Gva at{list.v + uint64_t{i} * sizeof(gnttab_swap_grant_ref)};
    gnttab_swap_grant_ref op;
    if (!read_guest(context, at, op)) return -XEN_EFAULT;
    op.status = swap(context, op.ref_a, op.ref_b);
    if (!write_guest_member(context, at, op, op.status)) return -XEN_EFAULT;
  }
  return 0;
}

}  // namespace

int64_t do_grant_table_op(HypercallContext& context) {
  const auto op = static_cast<uint32_t>(context.arg(0));
  const Gva list{context.arg(1)};
  const auto count = static_cast<uint32_t>(context.arg(2));
  switch (op) {
    case GNTTABOP_query_size:
    case GNTTABOP_set_version:
    case GNTTABOP_get_version: break;
    case GNTTABOP_setup_table:
    case GNTTABOP_copy:
    case GNTTABOP_map_grant_ref:
    case GNTTABOP_unmap_grant_ref:
    case GNTTABOP_swap_grant_ref:
      if (context.flavour().grant_ops_enosys) return -XEN_ENOSYS;
      break;
    default: return -XEN_ENOSYS;  // not audited for HVM guests; also every number with continuation bits
  }
  if (static_cast<int32_t>(count) < 0) return -XEN_EINVAL;
  if (!array_addressable(list, uint64_t{count} * sizeof(gnttab_copy))) return -XEN_EFAULT;
  switch (op) {
    case GNTTABOP_query_size: return query_size(context, list, count);
    case GNTTABOP_set_version: return set_version(context, list);
    case GNTTABOP_get_version: return get_version(context, list);
    case GNTTABOP_setup_table:
      return context.mode64() ? setup_table<gnttab_setup_table>(context, list, count)
                              : setup_table<abi32::gnttab_setup_table>(context, list, count);
    case GNTTABOP_copy: return copy_grants(context, list, count);
    case GNTTABOP_map_grant_ref: return map_grant_refs(context, list, count);
    case GNTTABOP_unmap_grant_ref: return unmap_grant_refs(context, list, count);
    default: return swap_grant_refs(context, list, count);
  }
}

}  // namespace xensim::xen
