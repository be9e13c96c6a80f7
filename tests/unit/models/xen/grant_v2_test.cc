// Version 2 entries: whole pages, parts of pages, and grants of grants, by map and by copy.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr DomId kB = TwoGuests::kB;
constexpr uint64_t kPlace = 0x50000;
constexpr uint16_t kBoth = GTF_reading | GTF_writing;

struct V2Guests : TwoGuests {
  V2Guests() {
    XS_CHECK(set_version(kA, 2) == 0);
    XS_CHECK(set_version(kB, 2) == 0);
  }
  // `by` copies between its page 20 and a grant of `from`, at `offset` in both.
  int16_t copy(DomId by, DomId from, uint32_t ref, uint16_t offset, uint16_t length, bool to_grant = false) {
    gnttab_copy_t op{};
    auto& grant = to_grant ? op.dest : op.source;
    auto& own = to_grant ? op.source : op.dest;
    grant.u.ref = ref;
    grant.domid = from.v;
    own.u.gmfn = 20;
    own.domid = DOMID_SELF;
    grant.offset = own.offset = offset;
    op.len = length;
    op.flags = to_grant ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    XS_CHECK(call_with(by, __HYPERVISOR_grant_table_op, GNTTABOP_copy, op) == 0);
    return op.status;
  }
};

TEST_CASE("a page is mapped and unmapped, and the status words say so") {
  V2Guests guests;
  guests.grant_v2(kA, 8, kB, 7);
  const uint32_t write = guests.map(kB, kA, 8, kPlace).handle;
  CHECK(guests.mapping(kB, kPlace) == Mfn{7});
  CHECK(guests.entry_v2(kA, 8).hdr.flags == GTF_permit_access);
  CHECK(guests.status_v2(kA, 8) == kBoth);
  const uint32_t read = guests.map(kB, kA, 8, kPlace + 1, GNTMAP_host_map | GNTMAP_readonly).handle;
  CHECK(guests.unmap(kB, write, kPlace) == GNTST_okay);
  CHECK(guests.status_v2(kA, 8) == GTF_reading);
  CHECK(guests.unmap(kB, read, kPlace + 1) == GNTST_okay);
  CHECK(guests.status_v2(kA, 8) == 0);
  CHECK(guests.broken().empty());
}

TEST_CASE("what cannot be mapped") {
  V2Guests guests;
  guests.grant_v2(kA, 8, kA, 7);
  guests.grant_v2(kA, 9, kB, 7, GTF_permit_access | GTF_readonly);
  guests.grant_part(kA, 10, kB, 7, 0, 64);
  guests.grant_through(kA, 11, kB, kB, 8);
  guests.grant_v2(kA, 12, kB, uint64_t{1} << 40);
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 9, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 10, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 11, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 12, kPlace).status == GNTST_bad_page);
  CHECK(guests.map(kB, kA, 256, kPlace).status == GNTST_bad_gntref);  // 256 entries in the one frame
  CHECK(guests.map(kB, kA, 255, kPlace).status == GNTST_general_error);
  for (uint32_t ref = 8; ref < 13; ++ref) CHECK(guests.status_v2(kA, ref) == 0);
  CHECK(guests.broken().empty());
}

TEST_CASE("a part of a page: copies inside it alone") {
  V2Guests guests;
  guests.grant_part(kA, 8, kB, 7, 100, 200);
  guests.poke(kA, 7 * kPageSize + 100, uint64_t{42});
  CHECK(guests.copy(kB, kA, 8, 100, 200) == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kB, 20 * kPageSize + 100) == 42);
  CHECK(guests.copy(kB, kA, 8, 99, 8) == GNTST_general_error);
  CHECK(guests.copy(kB, kA, 8, 293, 8) == GNTST_general_error);
  CHECK(guests.copy(kB, kA, 8, 292, 8) == GNTST_okay);
  CHECK(guests.copy(kB, kA, 8, 4090, 8) == GNTST_bad_copy_arg);
  CHECK(guests.copy(kB, kA, 8, 300, 0) == GNTST_okay);
  CHECK(guests.copy(kB, kA, 8, 100, 8, true) == GNTST_okay);
  guests.grant_part(kA, 9, kB, 7, 100, 200, GTF_readonly);
  CHECK(guests.copy(kB, kA, 9, 100, 8, true) == GNTST_general_error);
  CHECK(guests.copy(kB, kA, 9, 100, 8) == GNTST_okay);
  // Xen keeps 15 bits of the offset.
  guests.grant_part(kA, 10, kB, 7, 0x8000, 64);
  CHECK(guests.copy(kB, kA, 10, 0, 64) == GNTST_okay);
  CHECK(guests.status_v2(kA, 8) == 0);
  CHECK(guests.broken().empty());
}

TEST_CASE("a grant of a grant: both are pinned for the copy, and both are free afterwards") {
  V2Guests guests;
  guests.grant_v2(kA, 8, kB, 7);           // A's page for B,
  guests.grant_through(kB, 9, kA, kA, 8);  // which B lends to A
  guests.poke(kA, 7 * kPageSize, uint64_t{42});
  std::vector<uint16_t> during;
  guests.status_v2(kB, 0);
  guests.status_v2(kA, 0);
  guests.platform.on_write = [&](xen::Site site) {
    if (site == xen::Site::kHypercallResult) during = {guests.status_v2(kA, 8), guests.status_v2(kB, 9)};
  };
  CHECK(guests.copy(kA, kB, 9, 0, 64) == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kA, 20 * kPageSize) == 42);
  CHECK(during == std::vector<uint16_t>{GTF_reading, GTF_reading});
  CHECK(guests.copy(kA, kB, 9, 0, 64, true) == GNTST_okay);
  CHECK(during == std::vector<uint16_t>{kBoth, kBoth});
  CHECK(guests.status_v2(kA, 8) == 0);
  CHECK(guests.status_v2(kB, 9) == 0);
  CHECK(guests.broken().empty());
}

TEST_CASE("a grant of a grant that leads nowhere") {
  V2Guests guests;
  guests.grant_v2(kA, 8, kB, 7, GTF_permit_access | GTF_readonly);
  guests.grant_through(kB, 9, kA, kB, 8);          // to itself
  guests.grant_through(kB, 10, kA, DomId{99}, 8);  // to nobody
  guests.grant_through(kB, 11, kA, kA, 9);         // to a free entry
  guests.grant_through(kB, 12, kA, kA, 300);       // beyond the table
  guests.grant_through(kB, 13, kA, kA, 8);         // to what may be read
  guests.grant_through(kA, 14, kB, kB, 13);        // two levels
  guests.grant_through(kB, 15, kA, kA, 14);
  guests.grant_through(kB, 16, kB, kA, 8);  // for somebody else
  guests.grant_through(kB, 17, kA, kA, 8, GTF_readonly);
  for (const uint32_t ref : {9u, 10u, 11u, 15u, 16u}) {
    CAPTURE(ref);
    CHECK(guests.copy(kA, kB, ref, 0, 8) == GNTST_general_error);
  }
  CHECK(guests.copy(kA, kB, 12, 0, 8) == GNTST_bad_gntref);
  CHECK(guests.copy(kA, kB, 13, 0, 8) == GNTST_okay);
  CHECK(guests.copy(kA, kB, 13, 0, 8, true) == GNTST_general_error);
  CHECK(guests.copy(kA, kB, 17, 0, 8, true) == GNTST_general_error);
  CHECK(guests.copy(kA, kB, 17, 0, 8) == GNTST_okay);
  for (uint32_t ref = 8; ref < 18; ++ref) {
    CHECK(guests.status_v2(kA, ref) == 0);
    CHECK(guests.status_v2(kB, ref) == 0);
  }
  CHECK(guests.broken().empty());
}

TEST_CASE("an entry that is revoked while its status is being set is not used") {
  V2Guests guests;
  guests.grant_v2(kA, 8, kB, 7);
  guests.status_v2(kA, 0);
  // Access 0 is the first look at the entry, access 1 the second one, after the status word.
  guests.platform.at_site(xen::Site::kGrantEntry, 1, [&] { guests.grant_v2(kA, 8, kB, 7, 0); });
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_general_error);
  CHECK(guests.status_v2(kA, 8) == 0);
  guests.grant_v2(kA, 8, kB, 7);
  guests.platform.at_site(xen::Site::kGrantEntry, 1,
                          [&] { guests.grant_v2(kA, 8, kB, 7, GTF_permit_access | GTF_readonly); });
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 8, kPlace, GNTMAP_host_map | GNTMAP_readonly).status == GNTST_okay);
  CHECK(guests.map(kB, kA, 8, kPlace + 1).status == GNTST_general_error);
  CHECK(guests.status_v2(kA, 8) == GTF_reading);
  CHECK(guests.broken().empty());
}

TEST_CASE("what the granter writes into a pinned entry does not change what it means") {
  V2Guests guests;
  guests.grant_v2(kA, 8, kB, 7);
  guests.poke(kA, 7 * kPageSize, uint64_t{42});
  const uint32_t handle = guests.map(kB, kA, 8, kPlace).handle;
  guests.grant_part(kA, 8, kB, 9, 0, 8);
  CHECK(guests.copy(kB, kA, 8, 0, 64) == GNTST_okay);  // the whole page, and the first one
  CHECK(guests.peek<uint64_t>(kB, 20 * kPageSize) == 42);
  guests.grant_through(kA, 8, kB, kB, 8);
  CHECK(guests.copy(kB, kA, 8, 0, 64) == GNTST_general_error);
  CHECK(guests.unmap(kB, handle, kPlace) == GNTST_okay);
  CHECK(guests.broken().empty());
}

TEST_CASE("a grant of a grant whose entry changes for ever ends with an error, and leaves nothing pinned") {
  V2Guests guests;
  guests.grant_v2(kB, 8, kA, 7);
  const uint32_t handle = guests.map(kA, kB, 8, kPlace).handle;
  guests.grant_v2(kA, 9, kB, 7);
  guests.grant_through(kB, 8, kA, kA, 9);  // pinned as a page, seen as something else
  CHECK(guests.copy(kA, kB, 8, 0, 8) == GNTST_eagain);
  CHECK(guests.unmap(kA, handle, kPlace) == GNTST_okay);
  CHECK(guests.status_v2(kA, 9) == 0);
  CHECK(guests.status_v2(kB, 8) == 0);
  CHECK(guests.broken().empty());
}

}  // namespace
}  // namespace xensim
