#include "models/xen/physmap.h"

#include <array>
#include <optional>

#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/lifecycle.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// Drops what the map held on another domain's page.
void forget_foreign(HypercallContext& context, P2m& p2m, Gfn gfn) XS_REQUIRES(p2m.lock) {
  const P2mEntry found = p2m.lookup(gfn);
  if (Domain* const owner = context.hv.find_domain(p2m.foreign_owner(gfn)); owner != nullptr) {
    owner->p2m().drop_reference(found.frame);
  }
}

// Removes what lies at `gfn`, so that something else can be mapped there. 0 or an errno.
int64_t clear_slot(P2m& p2m, Gfn gfn, Mfn next) XS_REQUIRES(p2m.lock) {
  const P2mEntry found = p2m.lookup(gfn);
  if (found.is_hole() || found.frame == next) return 0;
  if (!found.is_ram() && !(found.is_grant() && p2m.owns_ram(found.frame))) return -XEN_ENXIO;
  p2m.set(gfn, {});
  p2m.free_page(found.frame);  // a special page (shared_info, a grant frame) is merely unhooked
  return 0;
}

// Maps one of the domain's own pages at `gfn`, and nowhere else.
int64_t place_page(HypercallContext& context, P2m& p2m, Mfn frame, Gfn gfn) {
  const LockGuard guard(context, p2m.lock);
  if (context.flavour().overlays_reveal) {
    if (gfn.v >= kMaxGfn) return -XEN_ENOENT;
    p2m.overlay(gfn, frame);
    return 0;
  }
  if (const int64_t error = clear_slot(p2m, gfn, frame); error != 0) return error;
  const Maybe<Gfn> old = p2m.gfn_of(frame);
  if (old && *old != gfn) p2m.set(*old, {});
  if (gfn.v >= kMaxGfn) return -XEN_ENOENT;
  p2m.set(gfn, {PageType::kRam, frame});
  return 0;
}

// Makes sure that there is grant frame `index`, or status frame `index`. As in Xen, 32 bits of the number count.
bool have_grant_frame(GrantTable& grants, bool status, uint32_t index) XS_REQUIRES(grants.lock) {
  if (!status) return index < grants.frames() || (index != ~0u && grants.grow(index + 1));
  constexpr uint32_t kFramesPerStatusFrame = kStatusPerFrame / kGrantsPerFrameV2;
  if (index < grants.status_frames()) return true;
  return index < grants.max_frames() && grants.grow((index + 1) * kFramesPerStatusFrame);
}

int64_t place_grant_frame(HypercallContext& context, Domain& domain, uint64_t idx, Gfn gfn) {
  if (idx >> 32 != 0 && context.flavour().grant_frame_wide_index) return -XEN_EINVAL;
  GrantTable& grants = domain.grants();
  const LockGuard table(context, grants.lock);
  const bool status = grants.version() == 2 && (idx & XENMAPIDX_grant_table_status) != 0;
  const auto index = static_cast<uint32_t>(status ? idx & ~uint64_t{XENMAPIDX_grant_table_status} : idx);
  if (!have_grant_frame(grants, status, index)) return -XEN_EINVAL;
  return place_page(context, domain.p2m(), status ? grants.status_frame(index) : grants.frame(index), gfn);
}

// Moves the domain's page at gfn `from` to `to`.
int64_t move_page(HypercallContext& context, Domain& domain, Gfn from, Gfn to) {
  P2m& p2m = domain.p2m();
  const Maybe<Mfn> frame = p2m.acquire_page(from);
  if (!frame) return -XEN_EINVAL;
  int64_t result = -XEN_EXDEV;
  Maybe<Gfn> place;
  {
    const LockGuard guard(context, p2m.lock);
    place = p2m.gfn_of(*frame);
  }
  if (place == from) result = place_page(context, p2m, *frame, to);
  p2m.drop_reference(*frame);
  return result;
}

// Puts another domain's frame, on which the caller has a reference, at `gfn` of `domain`.
int64_t place_foreign(HypercallContext& context, Domain& domain, DomId owner, Mfn frame, Gfn gfn) {
  P2m& p2m = domain.p2m();
  const LockGuard guard(context, p2m.lock);
  if (const int64_t error = clear_slot(p2m, gfn, frame); error != 0) return error;
  if (!p2m.lookup(gfn).is_hole()) return -XEN_EPERM;  // that frame again
  if (gfn.v >= kMaxGfn) return -XEN_ENOENT;
  p2m.set_foreign(gfn, frame, owner);
  return 0;
}

// Is a mapping in the way that populate may not replace?
bool is_blocked(const P2m& p2m, uint64_t gfn, uint64_t pages) {
  for (uint64_t i = 0; i < pages; ++i) {
    const P2mEntry found = p2m.lookup(Gfn{gfn + i});
    if (found.is_grant() || found.is_foreign()) return true;
  }
  return false;
}

// Gives the gfn a new page; one that was there stays the domain's, in Xen too, although nothing leads to it any more.
bool populate_page(HypercallContext& context, P2m& p2m, Gfn gfn) XS_REQUIRES(p2m.lock) {
  if (gfn.v >= kMaxGfn) return false;
  const P2m::NewPage page = p2m.new_page();
  if (!page.zeroed) {
    constexpr std::array<std::byte, kPageSize> kZeroes{};
    context.platform().write(Site::kGuestData, Maddr{page.frame.v << kPageShift}, kZeroes);
  }
  p2m.set(gfn, {PageType::kRam, page.frame});
  return true;
}

}  // namespace

int64_t map_to_physmap(HypercallContext& context, Domain& domain, uint32_t space, uint64_t idx, Gfn gfn) {
  switch (space) {
    case XENMAPSPACE_shared_info:
      if (idx != 0) return -XEN_EINVAL;
      return place_page(context, domain.p2m(), Mfn{domain.shared_info().v >> kPageShift}, gfn);
    case XENMAPSPACE_grant_table: return place_grant_frame(context, domain, idx, gfn);
    case XENMAPSPACE_gmfn: return move_page(context, domain, Gfn{idx}, gfn);
    default: return -XEN_EINVAL;
  }
}

int64_t map_foreign(HypercallContext& context, Domain& domain, DomId owner, Gfn from, Gfn gfn) {
  if (!domain.privileged()) return -XEN_EPERM;
  Domain* const foreign = context.hv.find_domain(owner);
  if (foreign == nullptr) return -XEN_ESRCH;
  if (foreign == &domain) return -XEN_EPERM;
  const Maybe<Mfn> frame = foreign->p2m().acquire_page(from);
  if (!frame) return -XEN_EINVAL;
  const int64_t result = place_foreign(context, domain, owner, *frame, gfn);
  if (result != 0) foreign->p2m().drop_reference(*frame);
  return result;
}

int64_t map_foreign_frame(HypercallContext& context, Domain& owner, Mfn frame, Gfn gfn) {
  owner.p2m().take_reference(frame);
  const int64_t result = place_foreign(context, context.domain, owner.id(), frame, gfn);
  if (result != 0) owner.p2m().drop_reference(frame);
  return result;
}

int64_t remove_guest_page(HypercallContext& context, Domain& domain, Gfn gfn) {
  P2m& p2m = domain.p2m();
  const LockGuard guard(context, p2m.lock);
  const P2mEntry found = p2m.lookup(gfn);
  if (found.is_hole()) return -XEN_ENOENT;
  if (!found.is_ram() && !(found.is_grant() && p2m.owns_ram(found.frame))) return -XEN_ENXIO;
  p2m.set(gfn, {});
  p2m.free_page(found.frame);
  return 0;
}

int64_t unmap_guest_page(HypercallContext& context, Domain& domain, Gfn gfn) {
  P2m& p2m = domain.p2m();
  const LockGuard guard(context, p2m.lock);
  const P2mEntry found = p2m.lookup(gfn);
  if (!found.is_ram() && !found.is_foreign()) return -XEN_ENOENT;
  if (found.is_foreign()) forget_foreign(context, p2m, gfn);
  p2m.set(gfn, {});
  return 0;
}

bool populate_extent(HypercallContext& context, Domain& domain, uint64_t gfn, uint32_t order) {
  const uint64_t pages = uint64_t{1} << order;
  P2m& p2m = domain.p2m();
  {
    const LockGuard guard(context, p2m.lock);
    if (!p2m.take_allowance(pages)) return false;
    if (!is_blocked(p2m, gfn, pages)) {
      for (uint64_t i = 0; i < pages; ++i) {
        if (!populate_page(context, p2m, Gfn{gfn + i})) return false;
      }
      return true;
    }
  }
  shut_down(context, domain, SHUTDOWN_crash);  // as in Xen: such a mapping is not to be replaced this way
  return false;
}

}  // namespace xensim::xen
