#include "models/xen/grant_map.h"

#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/lifecycle.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

bool is_readonly(const GrantMapping& mapping) { return (mapping.flags & GNTMAP_readonly) != 0; }

// One pin for each kind of mapping that is wanted.
uint32_t pins_for(uint32_t flags) {
  const bool readonly = (flags & GNTMAP_readonly) != 0;
  uint32_t pins = 0;
  if ((flags & GNTMAP_device_map) != 0) pins += readonly ? kPinDeviceRead : kPinDeviceWrite;
  if ((flags & GNTMAP_host_map) != 0) pins += readonly ? kPinHostRead : kPinHostWrite;
  return pins;
}

// The page of an entry that was just pinned for the first time. Its frame is read only now: the guest can no longer
// revoke the grant. GNTST_*.
int16_t take_first_page(Entry& entry, Domain& owner, GrantTable& grants, uint32_t ref, ActiveEntry& active,
                        DomId grantee) XS_REQUIRES_SHARED(grants.lock) XS_REQUIRES(active.lock) {
  const Maybe<Mfn> page = owner.p2m().acquire_page(grants.read_frame(entry, ref));
  if (!page) return GNTST_bad_page;
  active.domid = grantee;
  active.frame = *page;
  active.is_sub_page = false;
  active.start = 0;
  active.length = kPageSize;
  active.trans_domain = &owner;
  active.trans_ref = ref;
  return GNTST_okay;
}

// Pins the entry; on success the frame has a reference of its owner's p2m. GNTST_*.
int16_t pin_for_mapping(Entry& entry, Domain& owner, DomId grantee, GrantMapping& mapping) {
  GrantTable& grants = owner.grants();
  const uint32_t pins = pins_for(mapping.flags);

  const SharedLockGuard table(entry, grants.lock);
  if (mapping.ref >= grants.entries()) return GNTST_bad_gntref;
  ActiveEntry& active = grants.active(mapping.ref);
  const LockGuard guard(entry, active.lock);
  if (active.pin != 0 &&
      (active.domid != grantee || (active.pin & pins << kPinOverflowShift) != 0 || active.is_sub_page)) {
    return GNTST_general_error;
  }
  const bool first = active.pin == 0;
  if (first || (!is_readonly(mapping) && (active.pin & kPinWriteMask) == 0)) {
    const int16_t status = grants.pin_status(entry, mapping.ref, active, is_readonly(mapping), true, grantee);
    if (status != GNTST_okay) return status;
  }
  if (first) {
    const int16_t status = take_first_page(entry, owner, grants, mapping.ref, active, grantee);
    if (status != GNTST_okay) {
      grants.reduce_status(entry, mapping.ref, active, is_readonly(mapping));
      return status;
    }
  } else {
    owner.p2m().take_reference(active.frame);
  }
  active.pin += pins;
  mapping.frame = active.frame;
  return GNTST_okay;
}

// Takes back what pin_for_mapping gave.
void unpin(Entry& entry, Domain& owner, const GrantMapping& mapping) {
  owner.p2m().drop_reference(mapping.frame);
  GrantTable& grants = owner.grants();
  const SharedLockGuard table(entry, grants.lock);
  ActiveEntry& active = grants.active(mapping.ref);
  const LockGuard guard(entry, active.lock);
  active.pin -= pins_for(mapping.flags);
  grants.reduce_status(entry, mapping.ref, active, is_readonly(mapping));
}

// Shows the frame at the mapper's `host_addr`. GNTST_*.
int16_t create_host_mapping(Entry& entry, Domain& mapper, const GrantMapping& mapping) {
  constexpr uint32_t kAllowed = GNTMAP_readonly | GNTMAP_device_map;
  if ((mapping.flags & ~kAllowed) != GNTMAP_host_map) return GNTST_general_error;
  const Gfn gfn{mapping.host_addr >> kPageShift};
  P2m& p2m = mapper.p2m();
  {
    const LockGuard guard(entry, p2m.lock);
    const P2mEntry found = p2m.lookup(gfn);
    if (!found.is_grant()) {
      // A page of the mapper's own is not mapped twice: its first place becomes a hole, whatever comes of the second.
      const Maybe<Gfn> old = p2m.gfn_of(mapping.frame);
      if (old && *old != gfn) p2m.set(*old, {});
      if (gfn.v >= kMaxGfn) return GNTST_general_error;
      p2m.replace(gfn, found, {is_readonly(mapping) ? PageType::kGrantRo : PageType::kGrantRw, mapping.frame});
      return GNTST_okay;
    }
  }
  // Xen does not let a grant mapping be replaced: it takes the domain for broken.
  shut_down(entry, mapper, SHUTDOWN_crash);
  return GNTST_general_error;
}

// GNTST_*; on success the entry is pinned and the frame shown.
int16_t pin_and_show(Entry& entry, Domain& mapper, Domain& owner, GrantMapping& mapping) {
  int16_t status = pin_for_mapping(entry, owner, mapper.id(), mapping);
  if (status != GNTST_okay) return status;
  // A device's mapping holds the page on its own: the two go one by one.
  const bool both = (mapping.flags & GNTMAP_host_map) != 0 && (mapping.flags & GNTMAP_device_map) != 0;
  if (both) owner.p2m().take_reference(mapping.frame);
  if (!mapping.outside && (mapping.flags & GNTMAP_host_map) != 0) status = create_host_mapping(entry, mapper, mapping);
  if (status == GNTST_okay) return status;
  if (both) owner.p2m().drop_reference(mapping.frame);
  unpin(entry, owner, mapping);
  return status;
}

// What an operation on a grant of domain 0 finds where the machine has none of its own: Xen's always exists, and grants
// nothing. As in each map that fails, a handle has been taken and given back.
int16_t map_of_absent(Entry& entry, Maptrack& handles, uint32_t vcpu, const GrantMapping& mapping) {
  if (mapping.granter != 0 || entry.flavour().no_toolstack_domain) return GNTST_bad_domain;
  const uint32_t handle = handles.take(entry, vcpu);
  if (handle == kInvalidHandle) return GNTST_no_space;
  handles.put(entry, handle);
  return mapping.ref < kToolstackGrants ? GNTST_general_error : GNTST_bad_gntref;
}

}  // namespace

int16_t map_grant(Entry& entry, Domain& mapper, uint32_t vcpu, GrantMapping& mapping) {
  if (pins_for(mapping.flags) == 0) return GNTST_bad_gntref;
  const uint32_t refused =
      (mapper.privileged() ? 0u : GNTMAP_device_map) | GNTMAP_application_map | GNTMAP_contains_pte;
  if ((mapping.flags & refused) != 0) return GNTST_general_error;
  Domain* const owner = entry.hv.find_domain(DomId{mapping.granter});
  Maptrack& handles = mapper.grants().maptrack;
  if (owner == nullptr) return map_of_absent(entry, handles, vcpu, mapping);
  const uint32_t handle = handles.take(entry, vcpu);
  if (handle == kInvalidHandle) return GNTST_no_space;
  const int16_t status = pin_and_show(entry, mapper, *owner, mapping);
  if (status != GNTST_okay) {
    handles.put(entry, handle);
    return status;
  }
  MaptrackEntry* const tracked = handles.find(handle);
  tracked->domid.store(mapping.granter, std::memory_order_relaxed);
  tracked->ref.store(mapping.ref, std::memory_order_relaxed);
  // Last: from here on the handle can be unmapped. Who sees these flags sees the two above. Not weaker: it must not
  // pass the look at shut_down below.
  tracked->flags.store((mapping.flags & 0xffff) | (mapping.outside ? kMappedOutside : 0));
  mapping.handle = handle;
  // Another vCPU may have ended the domain meanwhile: either its release saw this mapping, or we see that it ended.
  if (mapper.shut_down.load()) release_mapping(entry, mapper, handle);
  return status;
}

int64_t map_grant_refs(HypercallContext& context, Gva list, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const Gva at{list.v + uint64_t{i} * sizeof(gnttab_map_grant_ref)};
    gnttab_map_grant_ref op;
    if (!read_guest(context, at, op)) return -XEN_EFAULT;
    GrantMapping mapping{.granter = op.dom, .ref = op.ref, .flags = op.flags, .host_addr = op.host_addr};
    op.status = map_grant(context, context.domain, context.vcpu.id().v, mapping);
    if (op.status == GNTST_okay) {
      op.handle = mapping.handle;
      op.dev_bus_addr = mapping.frame.v << kPageShift;
    }
    if (!write_guest(context, at, op)) return -XEN_EFAULT;
  }
  return 0;
}

}  // namespace xensim::xen
