#include "models/xen/grant_copy.h"

#include <algorithm>
#include <array>
#include <cstddef>
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
  static constexpr uint32_t kIsGrant = 1u << 16;
  static constexpr uint32_t kIsSome = 1u << 17;

  uint64_t address = 0;  // grant reference or gfn
  uint32_t whose = 0;    // the domain's number and both of these; 0 is nobody's
  uint16_t offset = 0;

  DomId domain() const { return DomId{static_cast<uint16_t>(whose)}; }
  bool is_grant() const { return (whose & kIsGrant) != 0; }
  bool same_page(const CopyPointer& other) const { return whose == other.whose && address == other.address; }
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

  bool holds(const CopyPointer& pointer) const { return held_.same_page(pointer); }
  bool contains(uint32_t offset, uint32_t len) const {
    return offset >= page_.start && offset + len <= page_.start + page_.length;
  }

  // GNTST_*; nothing is held before. nullptr: domain 0 of a machine that has none of its own.
  int16_t claim(Domain* domain, const CopyPointer& pointer);
  void release() {
    if (held_.whose != 0) give_back();
  }
  Maddr address(uint32_t offset) const { return Maddr{(page_.frame.v << kPageShift) + offset}; }

 private:
  void give_back();

  HypercallContext& context_;
  const bool readonly_;
  Domain* domain_ = nullptr;
  CopyPointer held_;
  GrantedPage page_;
};

int16_t CopyBuffer::claim(Domain* domain, const CopyPointer& pointer) {
  if (domain == nullptr) return pointer.address < kToolstackGrants ? GNTST_general_error : GNTST_bad_gntref;
  domain_ = domain;
  if (pointer.is_grant()) {
    const auto ref = static_cast<uint32_t>(pointer.address);
    const int16_t status = acquire_grant(context_, *domain, ref, context_.domain.id(), readonly_, page_);
    if (status != GNTST_okay) return status;
  } else {
    const Maybe<Mfn> frame = domain->p2m().acquire_page(Gfn{pointer.address});
    if (!frame) return GNTST_bad_page;
    page_ = {*frame, domain, 0, kPageSize};
  }
  held_ = pointer;
  return GNTST_okay;
}

void CopyBuffer::give_back() {
  if (held_.is_grant()) release_grant(context_, *domain_, static_cast<uint32_t>(held_.address), readonly_);
  held_ = {};
  page_.owner->p2m().drop_reference(page_.frame);
  bury_if_unused(context_, *page_.owner);
}

// The two ends of a series of copies.
class Copier {
 public:
  explicit Copier(HypercallContext& context) : context_(context), source_(context, true), dest_(context, false) {}

  // GNTST_*
  int16_t copy(const CopyOp& op) {
    // Mostly both pages are those of the copy before.
    if (!source_.holds(op.source) || !dest_.holds(op.dest)) {
      if (const int16_t status = claim(op.source, op.dest); status != GNTST_okay) return failed(status);
    }
    if (op.source.offset + op.len > kPageSize || op.dest.offset + op.len > kPageSize) return failed(GNTST_bad_copy_arg);
    if (!source_.contains(op.source.offset, op.len) || !dest_.contains(op.dest.offset, op.len)) {
      return failed(GNTST_general_error);
    }
    if (op.len > 0) {
      context_.platform().copy(Site::kGuestData, dest_.address(op.dest.offset), source_.address(op.source.offset),
                               op.len);
    }
    return GNTST_okay;
  }
  void release() {
    source_.release();
    dest_.release();
  }

 private:
  int16_t claim(CopyPointer source, CopyPointer dest);
  int16_t find_domains(const CopyPointer& source, const CopyPointer& dest);
  // The domain one end names. GNTST_*.
  int16_t find_domain(const CopyPointer& pointer, Domain*& domain) const;
  int16_t failed(int16_t status) {
    release();
    return status;
  }

  HypercallContext& context_;
  CopyBuffer source_, dest_;
  bool found_ = false;  // both domains
  Domain* source_domain_ = nullptr;
  Domain* dest_domain_ = nullptr;
  DomId source_domid_, dest_domid_;
};

int16_t Copier::find_domain(const CopyPointer& pointer, Domain*& domain) const {
  const uint16_t domid = pointer.domain().v;
  domain = context_.domain_by_any_id(DomId{domid});
  const bool is_toolstack = domid == 0 && !context_.flavour().no_toolstack_domain;
  if (domain == nullptr && !is_toolstack) return GNTST_bad_domain;
  return domid == DOMID_SELF || pointer.is_grant() ? GNTST_okay : GNTST_permission_denied;
}

int16_t Copier::find_domains(const CopyPointer& source, const CopyPointer& dest) {
  if (found_ && source.domain() == source_domid_ && dest.domain() == dest_domid_) return GNTST_okay;
  release();
  found_ = false;
  if (const int16_t status = find_domain(source, source_domain_); status != GNTST_okay) return status;
  if (const int16_t status = find_domain(dest, dest_domain_); status != GNTST_okay) return status;
  found_ = true;
  source_domid_ = source.domain();
  dest_domid_ = dest.domain();
  return GNTST_okay;
}

int16_t Copier::claim(CopyPointer source, CopyPointer dest) {
  if (const int16_t status = find_domains(source, dest); status != GNTST_okay) return status;
  if (!source_.holds(source)) {
    source_.release();
    if (const int16_t status = source_.claim(source_domain_, source); status != GNTST_okay) return status;
  }
  if (dest_.holds(dest)) return GNTST_okay;
  dest_.release();
  return dest_.claim(dest_domain_, dest);
}

template <class Pointer>
CopyPointer copy_pointer(const Pointer& raw, bool is_grant) {
  return {.address = is_grant ? raw.u.ref : raw.u.gmfn,
          .whose = raw.domid | CopyPointer::kIsSome | (is_grant ? CopyPointer::kIsGrant : 0),
          .offset = raw.offset};
}

template <class Raw>
CopyOp copy_op(const Raw& raw) {
  return {.source = copy_pointer(raw.source, (raw.flags & GNTCOPY_source_gref) != 0),
          .dest = copy_pointer(raw.dest, (raw.flags & GNTCOPY_dest_gref) != 0),
          .len = raw.len};
}

int64_t copy_grants64(HypercallContext& context, Gva list, uint32_t count) {
  Copier copier(context);
  const P2m& p2m = context.domain.p2m();
  int result = 0;
  for (uint32_t i = 0; i < count && result == 0; ++i) {
    const Gva at{list.v + uint64_t{i} * sizeof(gnttab_copy)};
    gnttab_copy raw;
    result = copy_from_guest(context, context.vcpu, p2m, std::as_writable_bytes(std::span(&raw, 1)), at,
                             Site::kHypercallArgs);
    if (result != 0) break;
    const int16_t status = copier.copy(copy_op(raw));
    result = copy_to_guest(context, context.vcpu, p2m, Gva{at.v + offsetof(gnttab_copy, status)},
                           std::as_bytes(std::span(&status, 1)), Site::kHypercallResult);
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
