// Mappings of grants that go: by their mapper's call, or because the mapper has ended.
#include <algorithm>
#include <array>

#include "models/base/check.h"
#include "models/xen/abi/public.h"
#include "models/xen/domain_end.h"
#include "models/xen/grant_map.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kUnmapBatch = 32;  // Xen's GNTTAB_UNMAP_BATCH_SIZE
constexpr uint32_t kKinds = GNTMAP_host_map | GNTMAP_device_map;

// Leaves a hole at `host_addr`, if the frame is mapped there, or the page that was at `new_addr`. GNTST_*.
int16_t remove_host_mapping(Entry& entry, Domain& mapper, const GrantUnmapping& unmapping) {
  if (unmapping.new_addr != 0 && !mapper.privileged()) return GNTST_general_error;
  const Gfn gfn{unmapping.host_addr >> kPageShift};
  P2m& p2m = mapper.p2m();
  const LockGuard guard(entry, p2m.lock);
  const P2mEntry found = p2m.lookup(gfn);
  if (!found.is_grant() || found.frame != unmapping.frame) return GNTST_general_error;
  if (unmapping.new_addr == 0) {
    p2m.replace(gfn, found, {});
    return GNTST_okay;
  }
  const Gfn source{unmapping.new_addr >> kPageShift};
  const P2mEntry replacement = p2m.lookup(source);
  if (!replacement.is_ram()) return GNTST_general_error;
  p2m.replace(source, replacement, {});
  p2m.replace(gfn, found, replacement);
  return GNTST_okay;
}

// Takes the mapping away under the active entry's lock, which keeps two unmaps of one handle apart. `free_handle`: it
// was all that there was of it.
int16_t unmap_locked(Entry& entry, Domain& mapper, GrantUnmapping& unmapping, MaptrackEntry& tracked,
                     bool& free_handle) {
  GrantTable& grants = unmapping.owner->grants();
  const SharedLockGuard table(entry, grants.lock);
  if (unmapping.ref >= grants.entries()) return GNTST_bad_handle;
  ActiveEntry& active = grants.active(unmapping.ref);
  const LockGuard guard(entry, active.lock);
  const uint32_t flags = tracked.flags.load();
  const bool outside = (flags & kMappedOutside) != 0;
  if (flags == 0 || tracked.domid.load() != unmapping.owner->id().v || tracked.ref.load() != unmapping.ref) {
    return GNTST_bad_handle;
  }
  unmapping.frame = active.frame;
  const bool device = unmapping.dev_bus_addr != 0 && (flags & GNTMAP_device_map) != 0;
  if (device && unmapping.dev_bus_addr != active.frame.v << kPageShift) return GNTST_bad_dev_addr;
  if (unmapping.host_addr != 0 && (flags & GNTMAP_host_map) != 0) {
    if (outside != unmapping.outside) return GNTST_general_error;
    const int16_t status = outside ? GNTST_okay : remove_host_mapping(entry, mapper, unmapping);
    if (status != GNTST_okay) return status;
    unmapping.done |= GNTMAP_host_map | (flags & GNTMAP_readonly);
  }
  if (device) unmapping.done |= GNTMAP_device_map | (flags & GNTMAP_readonly);
  const uint32_t left = flags & ~(unmapping.done & kKinds);
  free_handle = (left & kKinds) == 0;
  tracked.flags.store(free_handle ? 0 : left, std::memory_order_release);
  return GNTST_okay;
}

// One batch, at most kMost, of structs that `read` turns into an unmapping. 0 or -EFAULT.
template <class Raw, uint32_t kMost, class Read>
int64_t unmap_batch(HypercallContext& context, Gva list, uint32_t count, Read read) {
  std::array<GrantUnmapping, kMost> batch{};
  int64_t result = 0;
  uint32_t begun = 0;
  for (; begun < count && result == 0; ++begun) {
    const Gva at{list.v + uint64_t{begun} * sizeof(Raw)};
    Raw op;
    if (!read_guest(context, at, op)) {
      result = -XEN_EFAULT;
      break;
    }
    batch[begun] = read(op);
    op.status = unmap_grant(context, context.domain, batch[begun]);
    if (!write_guest_member(context, at, op, op.status)) result = -XEN_EFAULT;
  }
  for (uint32_t i = 0; i < begun; ++i) complete_unmap(context, batch[i]);
  return result;
}

// As in Xen the pins of a batch go only after the last of its mappings went (and the TLBs were flushed).
template <class Raw, class Read>
int64_t unmap_all(HypercallContext& context, Gva list, uint32_t count, Read read) {
  // To clear a whole batch takes as long as to unmap one.
  if (count == 1) return unmap_batch<Raw, 1>(context, list, 1, read);
  for (uint32_t done = 0; done < count; done += kUnmapBatch) {
    const Gva at{list.v + uint64_t{done} * sizeof(Raw)};
    const int64_t result = unmap_batch<Raw, kUnmapBatch>(context, at, std::min(count - done, kUnmapBatch), read);
    if (result != 0) return result;
  }
  return 0;
}

}  // namespace

int16_t unmap_grant(Entry& entry, Domain& mapper, GrantUnmapping& unmapping) {
  Maptrack& handles = mapper.grants().maptrack;
  MaptrackEntry* const tracked = handles.find(unmapping.handle);
  if (tracked == nullptr || tracked->flags.load() == 0) return GNTST_bad_handle;
  unmapping.owner = entry.hv.find_domain(DomId{tracked->domid.load()});
  // A domain of whose pages one is mapped stays; where another call is just unmapping it, it may have gone.
  if (unmapping.owner == nullptr) return GNTST_bad_handle;
  unmapping.ref = tracked->ref.load();
  bool free_handle = false;
  const int16_t status = unmap_locked(entry, mapper, unmapping, *tracked, free_handle);
  if (free_handle) handles.put(entry, unmapping.handle);
  return status;
}

void complete_unmap(Entry& entry, const GrantUnmapping& unmapping) {
  if (unmapping.done == 0) return;
  const bool readonly = (unmapping.done & GNTMAP_readonly) != 0;
  Domain& owner = *unmapping.owner;
  GrantTable& grants = owner.grants();
  {
    const SharedLockGuard table(entry, grants.lock);
    ActiveEntry& active = grants.active(unmapping.ref);
    const LockGuard guard(entry, active.lock);
    if ((unmapping.done & GNTMAP_device_map) != 0) {
      owner.p2m().drop_reference(unmapping.frame);
      active.pin -= readonly ? kPinDeviceRead : kPinDeviceWrite;
    }
    if ((unmapping.done & GNTMAP_host_map) != 0) {
      owner.p2m().drop_reference(unmapping.frame);
      active.pin -= readonly ? kPinHostRead : kPinHostWrite;
    }
    grants.reduce_status(entry, unmapping.ref, active, readonly);
  }
  bury_if_unused(entry, owner);
}

int64_t unmap_grant_refs(HypercallContext& context, Gva list, uint32_t count) {
  return unmap_all<gnttab_unmap_grant_ref>(context, list, count, [](const gnttab_unmap_grant_ref& op) {
    return GrantUnmapping{.host_addr = op.host_addr, .dev_bus_addr = op.dev_bus_addr, .handle = op.handle};
  });
}

int64_t unmap_and_replace_grant_refs(HypercallContext& context, Gva list, uint32_t count) {
  return unmap_all<gnttab_unmap_and_replace>(context, list, count, [](const gnttab_unmap_and_replace& op) {
    return GrantUnmapping{.host_addr = op.host_addr, .new_addr = op.new_addr, .handle = op.handle};
  });
}

void release_mapping(Entry& entry, Domain& mapper, uint32_t handle) {
  Maptrack& handles = mapper.grants().maptrack;
  MaptrackEntry& tracked = *handles.find(handle);
  const uint32_t seen = tracked.flags.load();
  Domain* const owner = seen == 0 ? nullptr : entry.hv.find_domain(DomId{tracked.domid.load()});
  if (owner == nullptr) return;
  GrantUnmapping unmapping{.handle = handle, .owner = owner, .ref = tracked.ref.load()};
  {
    const SharedLockGuard table(entry, owner->grants().lock);
    // Another vCPU may be unmapping it: then `ref` is already a link of the list of free handles, or of a new mapping,
    // which its maker takes away when it sees that the domain has ended.
    if (unmapping.ref >= owner->grants().entries()) return;
    ActiveEntry& active = owner->grants().active(unmapping.ref);
    const LockGuard guard(entry, active.lock);
    // The flags first: while they say that it is a mapping of this entry, nobody clears them without its lock.
    const uint32_t flags = tracked.flags.load();
    if (flags == 0 || tracked.domid.load() != owner->id().v || tracked.ref.load() != unmapping.ref) return;
    tracked.flags.store(0);
    unmapping.done = flags & (kKinds | GNTMAP_readonly);
    unmapping.frame = active.frame;
  }
  handles.put(entry, handle);
  complete_unmap(entry, unmapping);
}

void release_grant_mappings(Entry& entry, Domain& domain) {
  const uint32_t handles = domain.grants().maptrack.limit();
  for (uint32_t handle = 0; handle < handles; ++handle) release_mapping(entry, domain, handle);
}

}  // namespace xensim::xen
