#include "models/xen/grant_version.h"

#include <array>
#include <cstring>
#include <optional>

#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/lifecycle.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

using Reserved = std::array<grant_entry_v1_t, kReservedGrants>;
using ReservedV2 = std::array<grant_entry_v2_t, kReservedGrants>;

bool any_in_use(const GrantTable& grants) XS_REQUIRES(grants.lock) {
  bool found = false;
  grants.for_each_pinned([&](uint32_t ref, const ActiveEntry&) { found |= ref >= kReservedGrants; });
  return found;
}

template <class Entries>
void read_reserved(Entry& entry, GrantTable& grants, Entries& entries) XS_REQUIRES(grants.lock) {
  entry.platform().read(Site::kGrantEntry, grants.entry_address(0), std::as_writable_bytes(std::span(entries)));
}

// The reserved entries as version 1 has them. nullopt: that cannot be said there.
std::optional<Reserved> to_v1(Entry& entry, GrantTable& grants) XS_REQUIRES(grants.lock) {
  ReservedV2 from;
  read_reserved(entry, grants, from);
  Reserved to{};
  for (uint32_t ref = 0; ref < kReservedGrants; ++ref) {
    const uint16_t type = from[ref].hdr.flags & GTF_type_mask;
    if (type == GTF_transitive) return std::nullopt;
    if (type != GTF_permit_access) continue;
    if (from[ref].full_page.frame >> 32 != 0) return std::nullopt;
    const auto status = static_cast<uint16_t>(entry.platform().load(Site::kGrantStatus, grants.status_address(ref), 2));
    to[ref].flags = from[ref].hdr.flags | status;
    to[ref].domid = from[ref].hdr.domid;
    to[ref].frame = static_cast<uint32_t>(from[ref].full_page.frame);
  }
  return to;
}

void write_v1(Entry& entry, GrantTable& grants, const Reserved& reserved) XS_REQUIRES(grants.lock) {
  entry.platform().write(Site::kGrantEntry, grants.entry_address(0), std::as_bytes(std::span(reserved)));
}

void write_v2(Entry& entry, GrantTable& grants, const Reserved& reserved) XS_REQUIRES(grants.lock) {
  constexpr uint16_t kStatus = GTF_reading | GTF_writing;
  for (uint32_t ref = 0; ref < kReservedGrants; ++ref) {
    grant_entry_v2_t to{};
    to.hdr.flags = reserved[ref].flags & ~kStatus;
    to.hdr.domid = reserved[ref].domid;
    to.full_page.frame = reserved[ref].frame;
    const uint16_t status = reserved[ref].flags & kStatus;
    entry.platform().write(Site::kGrantStatus, grants.status_address(ref), std::as_bytes(std::span(&status, 1)));
    entry.platform().write(Site::kGrantEntry, grants.entry_address(ref), std::as_bytes(std::span(&to, 1)));
  }
}

// The status frames leave the domain's map. false: somebody still has one.
bool unhook_status_frames(Entry& entry, Domain& domain, GrantTable& grants) XS_REQUIRES(grants.lock) {
  P2m& p2m = domain.p2m();
  const LockGuard guard(entry, p2m.lock);
  for (uint32_t i = 0; i < grants.status_frames(); ++i) {
    if (const Maybe<Gfn> gfn = p2m.gfn_of(grants.status_frame(i))) p2m.set(*gfn, {});
    if (p2m.is_referenced(grants.status_frame(i))) return false;
  }
  return true;
}

int64_t to_version_1(Entry& entry, Domain& domain, GrantTable& grants) XS_REQUIRES(grants.lock) {
  if (grants.v2_operations.load() != 0) return -XEN_EAGAIN;
  const std::optional<Reserved> reserved = to_v1(entry, grants);
  if (!reserved) return -XEN_ERANGE;
  if (!unhook_status_frames(entry, domain, grants)) return -XEN_EBUSY;
  grants.change_version(1);
  write_v1(entry, grants, *reserved);
  return 0;
}

void to_version_2(Entry& entry, GrantTable& grants) XS_REQUIRES(grants.lock) {
  Reserved reserved;
  read_reserved(entry, grants, reserved);
  grants.change_version(2);
  write_v2(entry, grants, reserved);
}

}  // namespace

int64_t change_grant_version(Entry& entry, Domain& domain, uint32_t version) {
  GrantTable& grants = domain.grants();
  {
    const LockGuard table(entry, grants.lock);
    if (grants.version() == version) return 0;
    if (any_in_use(grants)) return -XEN_EBUSY;
    if (version == 2) {
      to_version_2(entry, grants);
      return 0;
    }
    const int64_t result = to_version_1(entry, domain, grants);
    if (result != -XEN_EBUSY) return result;
  }
  // A status frame that another domain holds: Xen takes the domain for broken.
  shut_down(entry, domain, SHUTDOWN_crash);
  return -XEN_EBUSY;
}

}  // namespace xensim::xen
