#include "models/xen/grant_copy.h"

#include <algorithm>
#include <array>
#include <optional>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/domain_end.h"
#include "models/xen/grant_acquire.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// Xen translates so many 32-bit structs at a time into a buffer of two pages.
constexpr uint32_t kChunk32 = 2 * kPageSize / sizeof(gnttab_copy);

// One end of a copy, of either width.
struct CopyPointer {
  uint64_t address = 0;  // grant reference or gfn
  uint16_t domid = 0;
  uint16_t offset = 0;
  bool is_gref = false;
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

  bool holds(const CopyPointer& pointer) const {
    return held_ && held_grant_ == pointer.is_gref && pointer.address == address_;
  }
  bool contains(uint32_t offset, uint32_t len) const {
    return offset >= page_.start && offset + len <= page_.start + page_.length;
  }

  // GNTST_*; nothing is held before. nullptr: domain 0 of a machine that has none of its own.
  int16_t claim(Domain* domain, const CopyPointer& pointer);
  void release();
  Maddr address(uint32_t offset) const { return Maddr{(page_.frame.v << kPageShift) + offset}; }

 private:
  HypercallContext& context_;
  const bool readonly_;
  Domain* domain_ = nullptr;
  uint64_t address_ = 0;
  GrantedPage page_;
  bool held_ = false;
  bool held_grant_ = false;
};

int16_t CopyBuffer::claim(Domain* domain, const CopyPointer& pointer) {
  if (domain == nullptr) return pointer.address < kToolstackGrants ? GNTST_general_error : GNTST_bad_gntref;
  domain_ = domain;
  if (pointer.is_gref) {
    const auto ref = static_cast<uint32_t>(pointer.address);
    const int16_t status = acquire_grant(context_, *domain, ref, context_.domain.id(), readonly_, page_);
    if (status != GNTST_okay) return status;
  } else {
    const Maybe<Mfn> frame = domain->p2m().acquire_page(Gfn{pointer.address});
    if (!frame) return GNTST_bad_page;
    page_ = {*frame, domain, 0, kPageSize};
  }
  address_ = pointer.address;
  held_ = true;
  held_grant_ = pointer.is_gref;
  return GNTST_okay;
}

void CopyBuffer::release() {
  if (!held_) return;
  held_ = false;
  if (held_grant_) release_grant(context_, *domain_, static_cast<uint32_t>(address_), readonly_);
  held_grant_ = false;
  page_.owner->p2m().drop_reference(page_.frame);
  bury_if_unused(context_, *page_.owner);
}

// The two ends of a series of copies.
class Copier {
 public:
  explicit Copier(HypercallContext& context) : context_(context), source_(context, true), dest_(context, false) {}

  // GNTST_*
  int16_t copy(const CopyOp& op);
  void release() {
    source_.release();
    dest_.release();
  }

 private:
  int16_t claim_and_copy(const CopyOp& op);
  int16_t find_domains(const CopyOp& op);
  // The domain one end names. GNTST_*.
  int16_t find_domain(const CopyPointer& pointer, Domain*& domain) const;

  HypercallContext& context_;
  CopyBuffer source_, dest_;
  bool found_ = false;  // both domains
  Domain* source_domain_ = nullptr;
  Domain* dest_domain_ = nullptr;
  uint16_t source_domid_ = 0, dest_domid_ = 0;
};

int16_t Copier::find_domain(const CopyPointer& pointer, Domain*& domain) const {
  domain = context_.domain_by_any_id(DomId{pointer.domid});
  const bool is_toolstack = pointer.domid == 0 && !context_.flavour().no_toolstack_domain;
  if (domain == nullptr && !is_toolstack) return GNTST_bad_domain;
  return pointer.domid == DOMID_SELF || pointer.is_gref ? GNTST_okay : GNTST_permission_denied;
}

int16_t Copier::find_domains(const CopyOp& op) {
  if (found_ && op.source.domid == source_domid_ && op.dest.domid == dest_domid_) return GNTST_okay;
  release();
  found_ = false;
  if (const int16_t status = find_domain(op.source, source_domain_); status != GNTST_okay) return status;
  if (const int16_t status = find_domain(op.dest, dest_domain_); status != GNTST_okay) return status;
  found_ = true;
  source_domid_ = op.source.domid;
  dest_domid_ = op.dest.domid;
  return GNTST_okay;
}

int16_t Copier::claim_and_copy(const CopyOp& op) {
  if (const int16_t status = find_domains(op); status != GNTST_okay) return status;
  if (!source_.holds(op.source)) {
    source_.release();
    if (const int16_t status = source_.claim(source_domain_, op.source); status != GNTST_okay) return status;
  }
  if (!dest_.holds(op.dest)) {
    dest_.release();
    if (const int16_t status = dest_.claim(dest_domain_, op.dest); status != GNTST_okay) return status;
  }
  if (op.source.offset + op.len > kPageSize || op.dest.offset + op.len > kPageSize) return GNTST_bad_copy_arg;
  if (!source_.contains(op.source.offset, op.len) || !dest_.contains(op.dest.offset, op.len)) {
    return GNTST_general_error;
  }
  if (op.len > 0) {
    context_.platform().copy(Site::kGuestData, dest_.address(op.dest.offset), source_.address(op.source.offset),
                             op.len);
  }
  return GNTST_okay;
}

int16_t Copier::copy(const CopyOp& op) {
  const int16_t status = claim_and_copy(op);
  if (status != GNTST_okay) release();
  return status;
}

template <class Pointer>
CopyPointer copy_pointer(const Pointer& raw, bool is_gref) {
  return {.address = is_gref ? raw.u.ref : raw.u.gmfn, .domid = raw.domid, .offset = raw.offset, .is_gref = is_gref};
}

template <class Raw>
CopyOp copy_op(const Raw& raw) {
  return {.source = copy_pointer(raw.source, (raw.flags & GNTCOPY_source_gref) != 0),
          .dest = copy_pointer(raw.dest, (raw.flags & GNTCOPY_dest_gref) != 0),
          .len = raw.len};
}

int64_t copy_grants64(HypercallContext& context, Gva list, uint32_t count) {
  Copier copier(context);
  int64_t result = 0;
  for (uint32_t i = 0; i < count && result == 0; ++i) {
    const Gva at{list.v + uint64_t{i} * sizeof(gnttab_copy)};
    gnttab_copy raw;
    if (!read_guest(context, at, raw)) {
      result = -XEN_EFAULT;
      break;
    }
    raw.status = copier.copy(copy_op(raw));
    if (!write_guest_member(context, at, raw, raw.status)) result = -XEN_EFAULT;
  }
  copier.release();
  return result;
}

// A chunk is read whole before the first copy, and its statuses are written after the last, from the end on.
int64_t copy_chunk32(HypercallContext& context, Gva list, uint32_t count) {
  std::array<abi32::gnttab_copy, kChunk32> chunk;
  const auto address = [&](uint32_t i) { return Gva{list.v + i * sizeof(abi32::gnttab_copy)}; };
  for (uint32_t i = 0; i < count; ++i) {
    if (!read_guest(context, address(i), chunk[i])) return -XEN_EFAULT;
  }
  Copier copier(context);
  for (uint32_t i = 0; i < count; ++i) chunk[i].status = copier.copy(copy_op(chunk[i]));
  copier.release();
  int64_t result = 0;
  for (uint32_t i = count; i-- > 0;) {
    if (!write_guest_member(context, address(i), chunk[i], chunk[i].status)) result = -XEN_EFAULT;
  }
  return result;
}

}  // namespace

int64_t copy_grants(HypercallContext& context, Gva list, uint32_t count) {
  if (context.mode64()) return copy_grants64(context, list, count);
  int64_t result = 0;
  for (uint32_t done = 0; done < count && result == 0; done += kChunk32) {
    const Gva at{list.v + uint64_t{done} * sizeof(abi32::gnttab_copy)};
    result = copy_chunk32(context, at, std::min(count - done, kChunk32));
  }
  return result;
}

}  // namespace xensim::xen
