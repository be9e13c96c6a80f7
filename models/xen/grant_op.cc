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
#include "models/xen/grant_version.h"
#include "models/xen/guest_access.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// An unprivileged domain may ask about its own table alone. Domain 0 always exists in Xen, here or not. GNTST_*.
int16_t find_table(HypercallContext& context, uint16_t domid, Domain*& domain) {
  domain = context.domain_by_any_id(DomId{domid});
  if (domain == nullptr) {
    return domid == 0 && !context.flavour().no_toolstack_domain ? GNTST_permission_denied : GNTST_bad_domain;
  }
  return domain == &context.domain || context.domain.privileged() ? GNTST_okay : GNTST_permission_denied;
}

// Writes where each of `count` frames, given by `frame(i)`, lies in the domain's map now: an HVM guest places them
// itself, with XENMEM_add_to_physmap. GNTST_*.
template <class Number, class Frame>
int16_t list_frames(HypercallContext& context, Domain& domain, Gva list, uint32_t count, Frame frame) {
  int16_t status = GNTST_okay;
  for (uint32_t i = 0; i < count; ++i) {
    Maybe<Gfn> gfn;
    {
      const LockGuard guard(context, domain.p2m().lock);
      gfn = domain.p2m().gfn_of(frame(i));
    }
    const auto shown = static_cast<Number>(gfn ? gfn->v : ~uint64_t{0});
    if (!write_guest(context, Gva{list.v + i * sizeof(Number)}, shown)) status = GNTST_bad_virt_addr;
  }
  return status;
}

// A call on one struct that names a domain and wants frames of its table: `list` writes them, where the domain is
// found, and gives the status.
template <class Raw, class List>
int64_t give_frames(HypercallContext& context, Gva at, uint32_t count, List list) {
  if (count != 1) return -XEN_EINVAL;
  Raw op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  op.status = find_table(context, op.dom, domain);
  if (op.status == GNTST_okay) op.status = list(*domain, op);
  return write_guest_member(context, at, op, op.status) ? 0 : -XEN_EFAULT;
}

// Both widths; the 32-bit one translates its argument into a buffer, which bounds the list.
template <class Raw>
int64_t setup_table(HypercallContext& context, Gva at, uint32_t count) {
  constexpr bool kWide = std::is_same_v<Raw, gnttab_setup_table>;
  constexpr uint32_t kMostFrames32 = (2 * kPageSize - sizeof(gnttab_setup_table)) / sizeof(uint64_t);
  using Pfn = std::conditional_t<kWide, uint64_t, uint32_t>;
  if (!kWide && count == 0) return 0;
  return give_frames<Raw>(context, at, count, [&](Domain& domain, const Raw& op) -> int16_t {
    GrantTable& grants = domain.grants();
    const LockGuard table(context, grants.lock);
    if ((!kWide && op.nr_frames > kMostFrames32) || !grants.grow(op.nr_frames)) return GNTST_general_error;
    const int16_t listed = list_frames<Pfn>(context, domain, Gva{handle_value(op.frame_list)}, op.nr_frames,
                                            [&](uint32_t i) XS_NO_THREAD_SAFETY_ANALYSIS { return grants.frame(i); });
    if (kWide) return listed;
    return GNTST_okay;  // the 32-bit call has its status before it writes the list
  });
}

// Of the host-kernel domain alone.
template <class Raw>
int64_t get_status_frames(HypercallContext& context, Gva at, uint32_t count) {
  return give_frames<Raw>(context, at, count, [&](Domain& domain, const Raw& op) -> int16_t {
    GrantTable& grants = domain.grants();
    const SharedLockGuard table(context, grants.lock);
    if (op.nr_frames > grants.status_frames()) return GNTST_general_error;
    return list_frames<uint64_t>(context, domain, Gva{handle_value(op.frame_list)}, op.nr_frames,
                                 [&](uint32_t i) XS_NO_THREAD_SAFETY_ANALYSIS { return grants.status_frame(i); });
  });
}

int64_t query_size(HypercallContext& context, Gva at, uint32_t count) {
  if (count != 1 && !context.flavour().grant_count_ignored) return -XEN_EINVAL;
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
  GrantTable& grants = context.domain.grants();
  int64_t result = -XEN_EINVAL;
  if (op.version == 2 && context.flavour().grant_v1_only) {
    result = -XEN_ENOSYS;
  } else if (op.version == 1 || op.version == 2) {
    result = change_grant_version(context, context.domain, op.version);
  }
  if (result != 0 && context.flavour().grant_version_error_silent) return result;
  {
    const SharedLockGuard table(context, grants.lock);
    op.version = grants.version();
  }
  return write_guest(context, at, op) ? result : -XEN_EFAULT;
}

int64_t get_version(HypercallContext& context, Gva at) {
  gnttab_get_version op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  const int16_t status = find_table(context, op.dom, domain);
  if (status != GNTST_okay) return status == GNTST_bad_domain ? -XEN_ESRCH : -XEN_EPERM;
  {
    const SharedLockGuard table(context, domain->grants().lock);
    op.version = domain->grants().version();
  }
  return write_guest_member(context, at, op, op.version) ? 0 : -XEN_EFAULT;
}

// Exchanges `bytes` of guest memory at two places.
template <size_t bytes>
void exchange(Platform& platform, Site site, Maddr a, Maddr b) {
  std::array<std::byte, bytes> at_a, at_b;
  platform.read(site, a, at_a);
  platform.read(site, b, at_b);
  platform.write(site, a, at_b);
  platform.write(site, b, at_a);
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
  Platform& platform = context.platform();
  const Maddr a = grants.entry_address(ref_a);
  const Maddr b = grants.entry_address(ref_b);
  if (grants.version() == 1) {
    exchange<sizeof(grant_entry_v1_t)>(platform, Site::kGrantEntry, a, b);
  } else {
    exchange<sizeof(grant_entry_v2_t)>(platform, Site::kGrantEntry, a, b);
    exchange<sizeof(grant_status_t)>(platform, Site::kGrantStatus, grants.status_address(ref_a),
                                     grants.status_address(ref_b));
  }
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

// May the caller use the sub-op? The host-kernel domain has a few that Xen's HVM guests are not given.
bool is_offered(const HypercallContext& context, uint32_t op) {
  switch (op) {
    case GNTTABOP_query_size:
    case GNTTABOP_set_version:
    case GNTTABOP_get_version: return true;
    case GNTTABOP_setup_table:
    case GNTTABOP_copy:
    case GNTTABOP_map_grant_ref:
    case GNTTABOP_unmap_grant_ref:
    case GNTTABOP_swap_grant_ref: return !context.flavour().grant_ops_enosys;
    case GNTTABOP_unmap_and_replace:
    case GNTTABOP_get_status_frames: return context.domain.privileged();
    default: return false;  // not audited for HVM guests; also every number with continuation bits
  }
}

}  // namespace

int64_t do_grant_table_op(HypercallContext& context) {
  const auto op = static_cast<uint32_t>(context.arg(0));
  const Gva list{context.arg(1)};
  const auto count = static_cast<uint32_t>(context.arg(2));
  if (!is_offered(context, op)) return -XEN_ENOSYS;
  if (static_cast<int32_t>(count) < 0 && !context.flavour().grant_count_ignored) return -XEN_EINVAL;
  const bool wide = context.mode64();
  switch (op) {
    case GNTTABOP_query_size: return query_size(context, list, count);
    case GNTTABOP_set_version: return set_version(context, list);
    case GNTTABOP_get_version: return get_version(context, list);
    case GNTTABOP_setup_table:
      return wide ? setup_table<gnttab_setup_table>(context, list, count)
                  : setup_table<abi32::gnttab_setup_table>(context, list, count);
    case GNTTABOP_get_status_frames:
      return wide ? get_status_frames<gnttab_get_status_frames>(context, list, count)
                  : get_status_frames<abi32::gnttab_get_status_frames>(context, list, count);
    case GNTTABOP_copy: return copy_grants(context, list, count);
    case GNTTABOP_map_grant_ref: return map_grant_refs(context, list, count);
    case GNTTABOP_unmap_grant_ref: return unmap_grant_refs(context, list, count);
    case GNTTABOP_unmap_and_replace: return unmap_and_replace_grant_refs(context, list, count);
    default: return swap_grant_refs(context, list, count);
  }
}

}  // namespace xensim::xen
