#include "models/xen/grant_copy.h"

#include <optional>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// One end of a copy, of either width.
struct CopyPointer {
  uint64_t address = 0;  // grant reference or gfn
  uint16_t domid = 0;
  uint16_t offset = 0;
  bool is_gref = false;

  bool same_page(const CopyPointer& other) const {
    return address == other.address && domid == other.domid && is_gref == other.is_gref;
  }
};

struct CopyOp {
  CopyPointer source, dest;
  uint32_t len = 0;
};

// A page that one end of a copy holds: pinned through a grant, or the caller's own.
class CopyBuffer {
 public:
  CopyBuffer(HypercallContext& context, bool readonly) : context_(context), readonly_(readonly) {}
  CopyBuffer(const CopyBuffer&) = delete;
  CopyBuffer& operator=(const CopyBuffer&) = delete;

  bool holds(const CopyPointer& pointer) const { return frame_.has_value() && pointer.same_page(held_); }

  // GNTST_*; nothing is held before.
  int16_t claim(Domain& domain, const CopyPointer& pointer);
  void release();
  Maddr address(uint32_t offset) const { return Maddr{(frame_->v << kPageShift) + offset}; }

 private:
  int16_t acquire_grant(GrantTable& grants, uint32_t ref);

  HypercallContext& context_;
  const bool readonly_;
  Domain* domain_ = nullptr;
  CopyPointer held_;
  std::optional<Mfn> frame_;
};

int16_t CopyBuffer::acquire_grant(GrantTable& grants, uint32_t ref) {
  const uint32_t increment = readonly_ ? kPinHostRead : kPinHostWrite;
  const DomId grantee = context_.domain.id();
  const SharedLockGuard table(context_, grants.lock);
  if (ref >= grants.entries()) return GNTST_bad_gntref;
  ActiveEntry& active = grants.active(ref);
  const LockGuard guard(context_, active.lock);
  if (active.pin != 0 && (active.domid != grantee || (active.pin & increment << kPinOverflowShift) != 0)) {
    return GNTST_general_error;
  }
  if (active.pin == 0 || (!readonly_ && (active.pin & kPinHostWriteMask) == 0)) {
    const int16_t status = grants.pin_status(context_, ref, active, readonly_, false, grantee);
    if (status != GNTST_okay) return status;
    // Read only now that the guest can no longer revoke the grant; also where it is pinned already, to see that it is
    // the same.
    frame_ = domain_->p2m().acquire_page(grants.read_frame(context_, ref));
    if (!frame_ || (active.pin != 0 && active.frame != *frame_)) {
      const int16_t error = frame_ ? GNTST_general_error : GNTST_bad_page;
      if (frame_) domain_->p2m().drop_reference(*frame_);
      frame_.reset();
      grants.reduce_status(context_, ref, active, readonly_);
      return error;
    }
    if (active.pin == 0) {
      active.domid = grantee;
      active.frame = *frame_;
    }
  } else {
    frame_ = active.frame;
    domain_->p2m().take_reference(*frame_);
  }
  active.pin += increment;
  return GNTST_okay;
}

int16_t CopyBuffer::claim(Domain& domain, const CopyPointer& pointer) {
  domain_ = &domain;
  held_ = pointer;
  if (pointer.is_gref) return acquire_grant(domain.grants(), static_cast<uint32_t>(pointer.address));
  frame_ = domain.p2m().acquire_page(Gfn{pointer.address});
  return frame_ ? GNTST_okay : GNTST_bad_page;
}

void CopyBuffer::release() {
  if (!frame_) return;
  if (held_.is_gref) {
    GrantTable& grants = domain_->grants();
    const auto ref = static_cast<uint32_t>(held_.address);
    const SharedLockGuard table(context_, grants.lock);
    ActiveEntry& active = grants.active(ref);
    const LockGuard guard(context_, active.lock);
    active.pin -= readonly_ ? kPinHostRead : kPinHostWrite;
    grants.reduce_status(context_, ref, active, readonly_);
  }
  domain_->p2m().drop_reference(*frame_);
  frame_.reset();
}

// The two ends of a series of copies.
class Copier {
 public:
  explicit Copier(HypercallContext& context) : context_(context), source_(context, true), dest_(context, false) {}

  int16_t copy(const CopyOp& op);
  void release() {
    source_.release();
    dest_.release();
  }

 private:
  // The domain one end names. GNTST_*.
  int16_t find_domain(const CopyPointer& pointer, Domain*& domain) const {
    if (pointer.domid != DOMID_SELF && !pointer.is_gref) return GNTST_permission_denied;
    domain = context_.domain_by_any_id(DomId{pointer.domid});
    return domain == nullptr ? GNTST_bad_domain : GNTST_okay;
  }

  HypercallContext& context_;
  CopyBuffer source_, dest_;
  std::optional<CopyOp> last_;
};

int16_t Copier::copy(const CopyOp& op) {
  if (!last_ || op.source.domid != last_->source.domid || op.dest.domid != last_->dest.domid) {
    release();
    last_.reset();
  }
  Domain* source_domain = nullptr;
  Domain* dest_domain = nullptr;
  if (const int16_t status = find_domain(op.source, source_domain); status != GNTST_okay) return status;
  if (const int16_t status = find_domain(op.dest, dest_domain); status != GNTST_okay) return status;
  last_ = op;

  if (!source_.holds(op.source)) {
    source_.release();
    if (const int16_t status = source_.claim(*source_domain, op.source); status != GNTST_okay) return status;
  }
  if (!dest_.holds(op.dest)) {
    dest_.release();
    if (const int16_t status = dest_.claim(*dest_domain, op.dest); status != GNTST_okay) return status;
  }
  if (op.source.offset + op.len > kPageSize || op.dest.offset + op.len > kPageSize) return GNTST_bad_copy_arg;
  if (op.len > 0) {
    context_.platform().copy(Site::kGuestData, dest_.address(op.dest.offset), source_.address(op.source.offset),
                             op.len);
  }
  return GNTST_okay;
}

template <class Pointer>
CopyPointer copy_pointer(const Pointer& raw, bool is_gref) {
  return {.address = is_gref ? raw.u.ref : raw.u.gmfn, .domid = raw.domid, .offset = raw.offset, .is_gref = is_gref};
}

// One struct: its status is in `status`. false: -EFAULT.
template <class Raw>
bool copy_one(HypercallContext& context, Copier& copier, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return false;
  const CopyOp op{.source = copy_pointer(raw.source, (raw.flags & GNTCOPY_source_gref) != 0),
                  .dest = copy_pointer(raw.dest, (raw.flags & GNTCOPY_dest_gref) != 0),
                  .len = raw.len};
  raw.status = copier.copy(op);
  if (raw.status != GNTST_okay) copier.release();
  return write_guest_member(context, at, raw, raw.status);
}

}  // namespace

int64_t copy_grants(HypercallContext& context, Gva list, uint32_t count) {
  Copier copier(context);
  int64_t result = 0;
  for (uint32_t i = 0; i < count && result == 0; ++i) {
    const bool ok = context.mode64()
                        ? copy_one<gnttab_copy>(context, copier, Gva{list.v + uint64_t{i} * sizeof(gnttab_copy)})
                        : copy_one<abi32::gnttab_copy>(context, copier, Gva{list.v + i * sizeof(abi32::gnttab_copy)});
    if (!ok) result = -XEN_EFAULT;
  }
  copier.release();
  return result;
}

}  // namespace xensim::xen
