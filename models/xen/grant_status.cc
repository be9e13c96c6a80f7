// Xen's two flags of a grant, which the granter sees: GTF_reading and GTF_writing.
#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"

namespace xensim::xen {
namespace {

constexpr unsigned kMaxTries = 5;  // of a compare-exchange that the guest may race with

// The first 32 bits of an entry.
struct Header {
  explicit Header(uint64_t raw) : flags(static_cast<uint16_t>(raw)), domid(static_cast<uint16_t>(raw >> 16)) {}

  // Version 2: may an entry that is not pinned be pinned for `grantee`?
  bool permits(bool mapping, DomId grantee) const {
    const uint16_t type = flags & (mapping ? GTF_type_mask | GTF_sub_page : GTF_type_mask);
    return domid == grantee.v && (type == GTF_permit_access || (!mapping && type == GTF_transitive));
  }

  uint16_t flags, domid;
};

}  // namespace

int16_t GrantTable::pin_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping,
                               DomId grantee) {
  return version_ == 1 ? pin_status_v1(entry, ref, active, readonly, mapping, grantee)
                       : pin_status_v2(entry, ref, active, readonly, mapping, grantee);
}

int16_t GrantTable::pin_status_v1(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping,
                                  DomId grantee) {
  const Maddr at = entry_address(ref);
  const uint16_t type_mask = mapping ? GTF_type_mask | GTF_sub_page : GTF_type_mask;
  auto seen = static_cast<uint32_t>(entry.platform().load(Site::kGrantEntry, at, 4));
  for (unsigned tries = 0; tries < kMaxTries; ++tries) {
    const Header header(seen);
    if (active.pin == 0 && ((header.flags & type_mask) != GTF_permit_access || header.domid != grantee.v)) {
      return GNTST_general_error;
    }
    if (!readonly && (header.flags & GTF_readonly) != 0) return GNTST_general_error;
    const uint32_t wanted = seen | GTF_reading | (readonly ? 0u : GTF_writing);
    if (entry.flavour().pin_not_atomic) {
      entry.platform().store(Site::kGrantEntry, at, 4, wanted);
      return GNTST_okay;
    }
    const auto old =
        static_cast<uint32_t>(entry.platform().rmw(Site::kGrantEntry, at, 4, Rmw::kCompareExchange, wanted, seen));
    if (old == seen) return GNTST_okay;
    seen = old;
  }
  return GNTST_general_error;  // the guest changes the entry faster than it can be pinned
}

// The flags are not where the guest's are, so that no compare-exchange can set them: they are set first, and then the
// entry must still permit it. A guest that revokes clears its flags, and then looks at ours.
int16_t GrantTable::pin_status_v2(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping,
                                  DomId grantee) {
  Platform& platform = entry.platform();
  const Maddr at = entry_address(ref);
  const Maddr status = status_address(ref);
  const bool first = active.pin == 0;
  const Header before(platform.load(Site::kGrantEntry, at, 4));
  if (first && !before.permits(mapping, grantee)) return GNTST_general_error;
  if (!readonly && (before.flags & GTF_readonly) != 0) return GNTST_general_error;
  platform.rmw(Site::kGrantStatus, status, 2, Rmw::kOr, readonly ? GTF_reading : GTF_reading | GTF_writing);

  const Header now(platform.load(Site::kGrantEntry, at, 4));
  const bool is_readonly = (now.flags & GTF_readonly) != 0;
  uint16_t clear = 0;
  if (first && (!now.permits(mapping, grantee) || (!readonly && is_readonly))) clear = GTF_reading | GTF_writing;
  if (!first && is_readonly) clear = GTF_writing;
  if (clear == 0) return GNTST_okay;
  platform.rmw(Site::kGrantStatus, status, 2, Rmw::kAnd, static_cast<uint16_t>(~clear));
  return GNTST_general_error;
}

void GrantTable::reduce_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly) {
  uint16_t clear = active.pin == 0 ? GTF_reading : 0;
  if (!readonly && (active.pin & kPinWriteMask) == 0) clear |= GTF_writing;
  if (clear == 0 || ref >= entries()) return;
  const Site site = version_ == 1 ? Site::kGrantEntry : Site::kGrantStatus;
  entry.platform().rmw(site, status_address(ref), 2, Rmw::kAnd, static_cast<uint16_t>(~clear));
}

}  // namespace xensim::xen
