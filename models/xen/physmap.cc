#include "models/xen/physmap.h"

#include <array>
#include <optional>

#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/lifecycle.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// Removes what lies at `gfn`, so that something else can be mapped there. 0 or an errno.
int64_t clear_slot(P2m& p2m, Gfn gfn, Mfn next) XS_REQUIRES(p2m.lock) {
  const P2mEntry found = p2m.lookup(gfn);
  if (found.is_hole() || found.frame == next) return 0;
  if (found.is_grant() && !p2m.owns_ram(found.frame)) return -XEN_ENXIO;
  p2m.set(gfn, {});
  p2m.free_page(found.frame);  // a special page (shared_info, a grant frame) is merely unhooked
  return 0;
}

// Maps one of the domain's own pages at `gfn`, and nowhere else.
int64_t place_page(HypercallContext& context, P2m& p2m, Mfn frame, Gfn gfn) {
  const LockGuard guard(context, p2m.lock);
  if (const int64_t error = clear_slot(p2m, gfn, frame); error != 0) return error;
  const std::optional<Gfn> old = p2m.gfn_of(frame);
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
  const std::optional<Mfn> frame = p2m.acquire_page(from);
  if (!frame) return -XEN_EINVAL;
  int64_t result = -XEN_EXDEV;
  std::optional<Gfn> place;
  {
    const LockGuard guard(context, p2m.lock);
    place = p2m.gfn_of(*frame);
  }
  if (place == from) result = place_page(context, p2m, *frame, to);
  p2m.drop_reference(*frame);
  return result;
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

int64_t map_foreign(HypercallContext& context, uint16_t domid) {
  const Domain* const foreign = context.domain_by_any_id(DomId{domid});
  if (foreign == nullptr && domid != 0) return -XEN_ESRCH;
  return foreign == &context.domain ? -XEN_EINVAL : -XEN_EPERM;
}

int64_t remove_guest_page(HypercallContext& context, Domain& domain, Gfn gfn) {
  P2m& p2m = domain.p2m();
  const LockGuard guard(context, p2m.lock);
  const P2mEntry found = p2m.lookup(gfn);
  if (found.is_hole()) return -XEN_ENOENT;
  if (found.is_grant() && !p2m.owns_ram(found.frame)) return -XEN_ENXIO;
  p2m.set(gfn, {});
  p2m.free_page(found.frame);
  return 0;
}

int64_t populate_guest_page(HypercallContext& context, Domain& domain, Gfn gfn) {
  if (gfn.v >= kMaxGfn) return -XEN_EINVAL;
  P2m& p2m = domain.p2m();
  {
    const LockGuard guard(context, p2m.lock);
    if (!p2m.lookup(gfn).is_grant()) {
      const std::optional<Mfn> frame = p2m.take_page();
      if (!frame) return -XEN_ENOMEM;
      constexpr std::array<std::byte, kPageSize> kZeroes{};
      context.platform().write(Site::kGuestData, Maddr{frame->v << kPageShift}, kZeroes);
      // A page that was here stays the domain's, in Xen too, although nothing leads to it any more.
      p2m.set(gfn, {PageType::kRam, *frame});
      return 0;
    }
  }
  shut_down(context, domain, SHUTDOWN_crash);  // as in Xen: a grant mapping is not to be replaced this way
  return -XEN_EPERM;
}

}  // namespace xensim::xen
