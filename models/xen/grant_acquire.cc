#include "models/xen/grant_acquire.h"

#include "models/xen/abi/public.h"
#include "models/xen/domain_end.h"
#include "models/xen/grant_table.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

constexpr int16_t kTryAgain = 1;  // of a transitive grant that changed while it was followed
constexpr unsigned kMaxTries = 5;

constexpr uint64_t kTransDomidAt = 4;    // of a version 2 entry: transitive.trans_domid
constexpr uint64_t kTransRefAt = 8;      // transitive.gref
constexpr uint64_t kSubPageAt = 4;       // sub_page.page_off, sub_page.length
constexpr uint32_t kStartMask = 0x7fff;  // Xen keeps 15 bits of page_off

uint32_t pin_for(bool readonly) { return readonly ? kPinHostRead : kPinHostWrite; }

// One attempt to pin one grant.
class Acquisition {
 public:
  Acquisition(Entry& entry, Domain& granter, uint32_t ref, DomId grantee, bool readonly, bool may_be_transitive)
      : entry_(entry),
        granter_(granter),
        grants_(granter.grants()),
        ref_(ref),
        grantee_(grantee),
        readonly_(readonly),
        may_be_transitive_(may_be_transitive) {}

  int16_t run(GrantedPage& page);

 private:
  // Where a transitive grant leads.
  struct Target {
    Domain* domain = nullptr;
    uint32_t ref = 0;
  };
  // What an entry says of its page.
  struct Extent {
    bool is_sub_page = false;
    uint16_t start = 0, length = kPageSize;
  };

  // With the table and the active entry locked. nullopt: it is transitive, `target` says where to.
  std::optional<int16_t> pin(ActiveEntry& active, GrantedPage& page, Target& target) XS_REQUIRES_SHARED(grants_.lock)
      XS_REQUIRES(active.lock);
  int16_t pin_page(ActiveEntry& active, GrantedPage& page) XS_REQUIRES_SHARED(grants_.lock) XS_REQUIRES(active.lock);
  int16_t pin_again(ActiveEntry& active, GrantedPage& page) XS_REQUIRES_SHARED(grants_.lock) XS_REQUIRES(active.lock);
  int16_t find_target(ActiveEntry& active, Target& target) XS_REQUIRES_SHARED(grants_.lock) XS_REQUIRES(active.lock);
  int16_t follow(const Target& target, GrantedPage& page);
  // Is the entry, seen again after its locks were free, what `page` and `target` came from?
  bool unchanged(const ActiveEntry& active, const Target& target, const GrantedPage& page) const
      XS_REQUIRES_SHARED(grants_.lock) XS_REQUIRES(active.lock);
  Extent read_extent() XS_REQUIRES_SHARED(grants_.lock);
  bool more_access_needed(const ActiveEntry& active) const XS_REQUIRES(active.lock) {
    return active.pin == 0 || (!readonly_ && (active.pin & kPinWriteMask) == 0);
  }
  void record(ActiveEntry& active, const Target& target, const GrantedPage& page, bool is_sub_page)
      XS_REQUIRES(active.lock);

  Entry& entry_;
  Domain& granter_;
  GrantTable& grants_;
  const uint32_t ref_;
  const DomId grantee_;
  const bool readonly_;
  const bool may_be_transitive_;
  uint32_t pin_before_ = 0;  // when a transitive grant was left to be followed
};

int16_t Acquisition::run(GrantedPage& page) {
  Target target;
  {
    const SharedLockGuard table(entry_, grants_.lock);
    if (ref_ >= grants_.entries()) return GNTST_bad_gntref;
    ActiveEntry& active = grants_.active(ref_);
    const LockGuard guard(entry_, active.lock);
    if (const std::optional<int16_t> status = pin(active, page, target)) return *status;
  }
  return follow(target, page);
}

std::optional<int16_t> Acquisition::pin(ActiveEntry& active, GrantedPage& page, Target& target) {
  if (active.pin != 0 && (active.domid != grantee_ || (active.pin & pin_for(readonly_) << kPinOverflowShift) != 0)) {
    return GNTST_general_error;
  }
  if (grants_.version() == 2) {
    const uint64_t flags = entry_.platform().load(Site::kGrantEntry, grants_.entry_address(ref_), 2);
    if ((flags & GTF_type_mask) == GTF_transitive) {
      const int16_t status = find_target(active, target);
      return status == GNTST_okay ? std::nullopt : std::optional(status);
    }
  }
  return more_access_needed(active) ? pin_page(active, page) : pin_again(active, page);
}

Acquisition::Extent Acquisition::read_extent() {
  if (grants_.version() == 1) return {};
  const Maddr at = grants_.entry_address(ref_);
  const uint64_t flags = entry_.platform().load(Site::kGrantEntry, at, 2);
  if ((flags & GTF_sub_page) == 0) return {};
  const uint64_t part = entry_.platform().load(Site::kGrantFrame, Maddr{at.v + kSubPageAt}, 4);
  return {true, static_cast<uint16_t>(part), static_cast<uint16_t>(part >> 16)};
}

void Acquisition::record(ActiveEntry& active, const Target& target, const GrantedPage& page, bool is_sub_page) {
  active.domid = grantee_;
  active.frame = page.frame;
  active.is_sub_page = is_sub_page;
  active.start = static_cast<uint16_t>(page.start & kStartMask);
  active.length = static_cast<uint16_t>(page.length);
  active.trans_domain = target.domain;
  active.trans_ref = target.ref;
}

int16_t Acquisition::pin_page(ActiveEntry& active, GrantedPage& page) {
  const int16_t status = grants_.pin_status(entry_, ref_, active, readonly_, false, grantee_);
  if (status != GNTST_okay) return status;
  const Extent extent = read_extent();
  // Read only now that the guest can no longer revoke the grant; also where it is pinned already, to see that it is
  // the same.
  const Maybe<Mfn> frame = granter_.p2m().acquire_page(grants_.read_frame(entry_, ref_));
  if (!frame) {
    grants_.reduce_status(entry_, ref_, active, readonly_);
    return GNTST_bad_page;
  }
  page = {*frame, &granter_, extent.start, extent.length};
  if (active.pin == 0) {
    record(active, {&granter_, ref_}, page, extent.is_sub_page);
    if (extent.is_sub_page) ++grants_.v2_operations;
  } else if (active.frame != *frame || active.trans_domain != &granter_ || active.trans_ref != ref_ ||
             (active.is_sub_page &&
              (!extent.is_sub_page || active.start != extent.start || active.length != extent.length))) {
    granter_.p2m().drop_reference(*frame);
    grants_.reduce_status(entry_, ref_, active, readonly_);
    return GNTST_general_error;
  }
  active.pin += pin_for(readonly_);
  page.start = active.start;
  page.length = active.length;
  return GNTST_okay;
}

// Pinned already with all the access that is needed: as it was found then, whatever the entry says now.
int16_t Acquisition::pin_again(ActiveEntry& active, GrantedPage& page) {
  if (active.trans_domain != &granter_ || granter_.dying.load()) {
    grants_.reduce_status(entry_, ref_, active, readonly_);
    return GNTST_bad_domain;
  }
  granter_.p2m().take_reference(active.frame);
  active.pin += pin_for(readonly_);
  page = {active.frame, &granter_, active.start, active.length};
  return GNTST_okay;
}

int16_t Acquisition::find_target(ActiveEntry& active, Target& target) {
  if (more_access_needed(active)) {
    const int16_t status = grants_.pin_status(entry_, ref_, active, readonly_, false, grantee_);
    if (status != GNTST_okay) return status;
  }
  uint16_t domid = 0;
  if (may_be_transitive_) {
    Platform& platform = entry_.platform();
    const uint64_t at = grants_.entry_address(ref_).v;
    domid = static_cast<uint16_t>(platform.load(Site::kGrantFrame, Maddr{at + kTransDomidAt}, 2));
    target.ref = static_cast<uint32_t>(platform.load(Site::kGrantFrame, Maddr{at + kTransRefAt}, 4));
    if (domid != granter_.id().v) target.domain = entry_.hv.find_domain(DomId{domid});
  }
  if (target.domain == nullptr) {
    grants_.reduce_status(entry_, ref_, active, readonly_);
    return may_be_transitive_ && domid == 0 && !entry_.flavour().no_toolstack_domain && target.ref >= kToolstackGrants
               ? GNTST_bad_gntref
               : GNTST_general_error;
  }
  pin_before_ = active.pin;
  ++grants_.v2_operations;  // keeps version 2 while no lock does
  return GNTST_okay;
}

bool Acquisition::unchanged(const ActiveEntry& active, const Target& target, const GrantedPage& page) const {
  if (grants_.version() != 2 || active.pin != pin_before_) return false;
  if (active.pin == 0) return true;
  return active.domid == grantee_ && active.frame == page.frame && active.start == page.start &&
         active.length == page.length && active.trans_domain == target.domain && active.trans_ref == target.ref &&
         active.is_sub_page;
}

int16_t Acquisition::follow(const Target& target, GrantedPage& page) {
  const int16_t status = Acquisition(entry_, *target.domain, target.ref, granter_.id(), readonly_, false).run(page);
  {
    const SharedLockGuard table(entry_, grants_.lock);
    ActiveEntry& active = grants_.active(ref_);
    const LockGuard guard(entry_, active.lock);
    if (status != GNTST_okay) {
      --grants_.v2_operations;
      grants_.reduce_status(entry_, ref_, active, readonly_);
      return status;
    }
    if (unchanged(active, target, page)) {
      if (active.pin == 0) {
        record(active, target, page, true);
      } else {
        --grants_.v2_operations;
      }
      active.pin += pin_for(readonly_);
      page.start = active.start;
      page.length = active.length;
      return GNTST_okay;
    }
  }
  release_grant(entry_, *target.domain, target.ref, readonly_);
  page.owner->p2m().drop_reference(page.frame);
  const SharedLockGuard table(entry_, grants_.lock);
  ActiveEntry& active = grants_.active(ref_);
  const LockGuard guard(entry_, active.lock);
  --grants_.v2_operations;
  grants_.reduce_status(entry_, ref_, active, readonly_);
  return kTryAgain;
}

}  // namespace

// Xen makes the guest issue the hypercall anew for as long as a transitive grant changes; here that has an end.
int16_t acquire_grant(Entry& entry, Domain& granter, uint32_t ref, DomId grantee, bool readonly, GrantedPage& page) {
  for (unsigned tries = 0; tries < kMaxTries; ++tries) {
    const int16_t status = Acquisition(entry, granter, ref, grantee, readonly, true).run(page);
    if (status != kTryAgain) return status;
  }
  return GNTST_eagain;
}

void release_grant(Entry& entry, Domain& granter, uint32_t ref, bool readonly) {
  GrantTable& grants = granter.grants();
  Domain* target = &granter;
  uint32_t target_ref = ref;
  {
    const SharedLockGuard table(entry, grants.lock);
    ActiveEntry& active = grants.active(ref);
    const LockGuard guard(entry, active.lock);
    if (grants.version() == 2) {
      target = active.trans_domain;
      target_ref = active.trans_ref;
    }
    active.pin -= pin_for(readonly);
    grants.reduce_status(entry, ref, active, readonly);
    if (active.pin == 0 && active.is_sub_page) --grants.v2_operations;
  }
  if (target != &granter) release_grant(entry, *target, target_ref, readonly);  // one level deep at most
}

}  // namespace xensim::xen
