#include "models/xen/grant_map.h"

#include <algorithm>
#include <array>

#include "models/base/check.h"
#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/lifecycle.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kUnmapBatch = 32;  // Xen's GNTTAB_UNMAP_BATCH_SIZE

uint32_t pin_increment(uint32_t flags) { return (flags & GNTMAP_readonly) != 0 ? kPinHostRead : kPinHostWrite; }

// Pins the entry; on success the frame has a reference of its owner's p2m. GNTST_*.
int16_t pin_for_mapping(HypercallContext& context, Domain& owner, const gnttab_map_grant_ref& op, Mfn& frame) {
  GrantTable& grants = owner.grants();
  const bool readonly = (op.flags & GNTMAP_readonly) != 0;
  const uint32_t increment = pin_increment(op.flags);
  const DomId grantee = context.domain.id();

  const SharedLockGuard table(context, grants.lock);
  if (op.ref >= grants.entries()) return GNTST_bad_gntref;
  ActiveEntry& active = grants.active(op.ref);
  const LockGuard guard(context, active.lock);
  if (active.pin != 0 && (active.domid != grantee || (active.pin & increment << kPinOverflowShift) != 0)) {
    return GNTST_general_error;
  }
  const bool first = active.pin == 0;
  if (first || (!readonly && (active.pin & kPinHostWriteMask) == 0)) {
    const int16_t status = grants.pin_status(context, op.ref, active, readonly, true, grantee);
    if (status != GNTST_okay) return status;
  }
  if (first) {
    // Only now: the guest can no longer revoke the grant.
    const std::optional<Mfn> page = owner.p2m().acquire_page(grants.read_frame(context, op.ref));
    if (!page) {
      grants.reduce_status(context, op.ref, active, readonly);
      return GNTST_bad_page;
    }
    active.domid = grantee;
    active.frame = *page;
  } else {
    owner.p2m().take_reference(active.frame);
  }
  active.pin += increment;
  frame = active.frame;
  return GNTST_okay;
}

void drop_pin(HypercallContext& context, Domain& owner, uint32_t ref, uint32_t flags, Mfn frame) {
  GrantTable& grants = owner.grants();
  owner.p2m().drop_reference(frame);
  const SharedLockGuard table(context, grants.lock);
  ActiveEntry& active = grants.active(ref);
  const LockGuard guard(context, active.lock);
  active.pin -= pin_increment(flags);
  grants.reduce_status(context, ref, active, (flags & GNTMAP_readonly) != 0);
}

// Shows the frame at the caller's `host_addr`. GNTST_*.
int16_t create_host_mapping(HypercallContext& context, const gnttab_map_grant_ref& op, Mfn frame) {
  if ((op.flags & ~uint32_t{GNTMAP_readonly}) != GNTMAP_host_map) return GNTST_general_error;
  const Gfn gfn{op.host_addr >> kPageShift};
  if (gfn.v >= kMaxGfn) return GNTST_general_error;
  P2m& p2m = context.domain.p2m();
  {
    const LockGuard guard(context, p2m.lock);
    if (!p2m.lookup(gfn).is_grant()) {
      // A page of the caller's own is not mapped twice: its first place becomes a hole.
      const std::optional<Gfn> old = p2m.owns_ram(frame) ? p2m.gfn_of(frame) : std::nullopt;
      if (old && *old != gfn) p2m.set(*old, {});
      p2m.set(gfn, {(op.flags & GNTMAP_readonly) != 0 ? PageType::kGrantRo : PageType::kGrantRw, frame});
      return GNTST_okay;
    }
  }
  // Xen does not let a grant mapping be replaced: it takes the domain for broken.
  shut_down(context, context.domain, SHUTDOWN_crash);
  return GNTST_general_error;
}

// Leaves a hole at `host_addr`, if the frame is mapped there. GNTST_*.
int16_t remove_host_mapping(HypercallContext& context, uint64_t host_addr, Mfn frame) {
  const Gfn gfn{host_addr >> kPageShift};
  P2m& p2m = context.domain.p2m();
  const LockGuard guard(context, p2m.lock);
  const P2mEntry found = p2m.lookup(gfn);
  if (!found.is_grant() || found.frame != frame) return GNTST_general_error;
  p2m.set(gfn, {});
  return GNTST_okay;
}

void map_one(HypercallContext& context, gnttab_map_grant_ref& op) {
  if ((op.flags & (GNTMAP_device_map | GNTMAP_host_map)) == 0) {
    op.status = GNTST_bad_gntref;
    return;
  }
  if ((op.flags & (GNTMAP_device_map | GNTMAP_application_map | GNTMAP_contains_pte)) != 0) {
    op.status = GNTST_general_error;  // not for an HVM guest
    return;
  }
  Domain* const owner = context.hv.find_domain(DomId{op.dom});
  if (owner == nullptr) {
    op.status = GNTST_bad_domain;
    return;
  }
  GrantTable& own = context.domain.grants();
  const uint32_t handle = own.take_handle(context, context.vcpu.id().v);
  if (handle == kInvalidHandle) {
    op.status = GNTST_no_space;
    return;
  }
  Mfn frame;
  op.status = pin_for_mapping(context, *owner, op, frame);
  if (op.status == GNTST_okay) {
    op.status = create_host_mapping(context, op, frame);
    if (op.status != GNTST_okay) drop_pin(context, *owner, op.ref, op.flags, frame);
  }
  if (op.status != GNTST_okay) {
    own.put_handle(context, handle);
    return;
  }
  MaptrackEntry* const mapping = own.maptrack(handle);
  mapping->domid.store(op.dom);
  mapping->ref.store(op.ref);
  mapping->flags.store(op.flags);  // last: from here on the handle can be unmapped
  op.handle = handle;
  op.dev_bus_addr = frame.v << kPageShift;
}

// Takes the mapping of `handle` away, under the active entry's lock, which keeps two unmaps of one handle apart.
// GNTST_okay: `flags` are what was mapped (0: nothing was asked to be unmapped) and `done` says that the host mapping
// is gone.
int16_t unmap_locked(HypercallContext& context, const gnttab_unmap_grant_ref& op, Domain& owner, MaptrackEntry& mapping,
                     uint32_t ref, Mfn& frame, uint32_t& flags) {
  GrantTable& grants = owner.grants();
  const SharedLockGuard table(context, grants.lock);
  if (ref >= grants.entries()) return GNTST_bad_handle;
  ActiveEntry& active = grants.active(ref);
  const LockGuard guard(context, active.lock);
  const uint32_t mapped = mapping.flags.load();
  if (mapped == 0 || mapping.domid.load() != owner.id().v || mapping.ref.load() != ref) return GNTST_bad_handle;
  frame = active.frame;
  if (op.host_addr == 0 || (mapped & GNTMAP_host_map) == 0) return GNTST_okay;
  const int16_t status = remove_host_mapping(context, op.host_addr, frame);
  if (status != GNTST_okay) return status;
  mapping.flags.store(0);
  flags = mapped;
  return GNTST_okay;
}

// A mapping that is gone, whose pin is still to be dropped.
struct Unmapped {
  Domain* owner = nullptr;
  uint32_t ref = 0;
  uint32_t flags = 0;  // 0: there is nothing to drop
  Mfn frame;
};

int16_t unmap_one(HypercallContext& context, const gnttab_unmap_grant_ref& op, Unmapped& done) {
  GrantTable& own = context.domain.grants();
  MaptrackEntry* const mapping = own.maptrack(op.handle);
  if (mapping == nullptr || mapping->flags.load() == 0) return GNTST_bad_handle;
  done.owner = context.hv.find_domain(DomId{mapping->domid.load()});
  XS_CHECK(done.owner != nullptr);  // domains do not vanish while the machine runs
  done.ref = mapping->ref.load();
  const int16_t status = unmap_locked(context, op, *done.owner, *mapping, done.ref, done.frame, done.flags);
  if (done.flags != 0) own.put_handle(context, op.handle);
  return status;
}

// Unmaps `count` grants, at most a batch. As in Xen the pins go only after the last of them was unmapped (and the TLBs
// flushed).
int64_t unmap_batch(HypercallContext& context, Gva list, uint32_t count) {
  std::array<Unmapped, kUnmapBatch> batch;
  int64_t result = 0;
  for (uint32_t i = 0; i < count && result == 0; ++i) {
    const Gva at{list.v + uint64_t{i} * sizeof(gnttab_unmap_grant_ref)};
    gnttab_unmap_grant_ref op;
    if (!read_guest(context, at, op)) {
      result = -XEN_EFAULT;
      break;
    }
    op.status = unmap_one(context, op, batch[i]);
    if (!write_guest_member(context, at, op, op.status)) result = -XEN_EFAULT;
  }
  for (const Unmapped& each : batch) {
    if (each.flags != 0) drop_pin(context, *each.owner, each.ref, each.flags, each.frame);
  }
  return result;
}

}  // namespace

int64_t map_grant_refs(HypercallContext& context, Gva list, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const Gva at{list.v + uint64_t{i} * sizeof(gnttab_map_grant_ref)};
    gnttab_map_grant_ref op;
    if (!read_guest(context, at, op)) return -XEN_EFAULT;
    map_one(context, op);
    if (!write_guest(context, at, op)) return -XEN_EFAULT;
  }
  return 0;
}

int64_t unmap_grant_refs(HypercallContext& context, Gva list, uint32_t count) {
  for (uint32_t done = 0; done < count; done += kUnmapBatch) {
    const Gva at{list.v + uint64_t{done} * sizeof(gnttab_unmap_grant_ref)};
    const int64_t result = unmap_batch(context, at, std::min(count - done, kUnmapBatch));
    if (result != 0) return result;
  }
  return 0;
}

void release_grant_mappings(Entry& entry, Domain& domain) {
  GrantTable& own = domain.grants();
  for (uint32_t handle = 0; handle < own.maptrack_limit(); ++handle) {
    MaptrackEntry& mapping = *own.maptrack(handle);
    const uint32_t flags = mapping.flags.load();
    Domain* const owner = flags == 0 ? nullptr : entry.hv.find_domain(DomId{mapping.domid.load()});
    if (owner == nullptr) continue;
    const uint32_t ref = mapping.ref.load();
    GrantTable& grants = owner->grants();
    {
      const SharedLockGuard table(entry, grants.lock);
      ActiveEntry& active = grants.active(ref);
      const LockGuard guard(entry, active.lock);
      if (mapping.flags.exchange(0) == 0) continue;
      owner->p2m().drop_reference(active.frame);
      active.pin -= pin_increment(flags);
      grants.reduce_status(entry, ref, active, (flags & GNTMAP_readonly) != 0);
    }
    own.put_handle(entry, handle);
  }
}

}  // namespace xensim::xen
