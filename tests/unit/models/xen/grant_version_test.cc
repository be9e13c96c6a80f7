// GNTTABOP_set_version and get_version: what the switch keeps, what it drops, and what stands in its way.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr DomId kB = TwoGuests::kB;
constexpr uint64_t kPlace = 0x50000;
constexpr uint64_t kStatus = XENMAPIDX_grant_table_status;

uint32_t version_of(TwoGuests& guests, DomId dom) {
  gnttab_get_version op{};
  op.dom = DOMID_SELF;
  CHECK(guests.call_with(dom, __HYPERVISOR_grant_table_op, GNTTABOP_get_version, op) == 0);
  return op.version;
}

TEST_CASE("there and back, in both widths") {
  TwoGuests guests;
  for (const bool mode64 : {true, false}) {
    CAPTURE(mode64);
    guests.mode64 = mode64;
    CHECK(version_of(guests, kA) == 1);
    CHECK(guests.set_version(kA, 2) == 0);
    CHECK(version_of(guests, kA) == 2);
    CHECK(guests.set_version(kA, 2) == 0);
    CHECK(guests.set_version(kA, 0) == -XEN_EINVAL);
    CHECK(guests.set_version(kA, 3) == -XEN_EINVAL);
    CHECK(version_of(guests, kA) == 2);
    CHECK(guests.set_version(kA, 1) == 0);
    CHECK(version_of(guests, kA) == 1);
  }
  CHECK(version_of(guests, kB) == 1);
  CHECK(guests.call(kA, __HYPERVISOR_grant_table_op, {GNTTABOP_set_version, uint64_t{1} << 30, 1}) == -XEN_EFAULT);
}

TEST_CASE("the call tells the version in force, whatever it answers") {
  TwoGuests guests;
  CHECK(guests.set_version(kA, 2) == 0);
  gnttab_set_version op{};
  op.version = 7;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, op) == -XEN_EINVAL);
  CHECK(op.version == 2);
}

TEST_CASE("reserved entries keep their meaning, mapped ones too, all others are gone") {
  TwoGuests guests;
  guests.grant(kA, 0, kB, 7);
  guests.grant(kA, 1, kB, 9, GTF_permit_access | GTF_readonly);
  guests.grant(kA, 8, kB, 11);
  const uint32_t handle = guests.map(kB, kA, 0, kPlace).handle;
  REQUIRE(guests.set_version(kA, 2) == 0);
  CHECK(guests.entry_v2(kA, 0).hdr.flags == GTF_permit_access);
  CHECK(guests.entry_v2(kA, 0).hdr.domid == kB.v);
  CHECK(guests.entry_v2(kA, 0).full_page.frame == 7);
  CHECK(guests.status_v2(kA, 0) == (GTF_reading | GTF_writing));
  CHECK(guests.entry_v2(kA, 1).hdr.flags == (GTF_permit_access | GTF_readonly));
  CHECK(guests.status_v2(kA, 1) == 0);
  CHECK(guests.entry_v2(kA, 8).hdr.flags == 0);
  REQUIRE(guests.set_version(kA, 1) == 0);
  CHECK(guests.entry(kA, 0).flags == (GTF_permit_access | GTF_reading | GTF_writing));
  CHECK(guests.entry(kA, 0).frame == 7);
  CHECK(guests.unmap(kB, handle, kPlace) == GNTST_okay);
  CHECK(guests.entry(kA, 0).flags == GTF_permit_access);
  CHECK(guests.broken().empty());
}

TEST_CASE("-EBUSY while an entry from 8 on is mapped") {
  TwoGuests guests;
  guests.grant(kA, 7, kB, 7);
  guests.grant(kA, 8, kB, 7);
  const uint32_t reserved = guests.map(kB, kA, 7, kPlace).handle;
  const uint32_t handle = guests.map(kB, kA, 8, kPlace + 1).handle;
  CHECK(guests.set_version(kA, 2) == -XEN_EBUSY);
  CHECK(version_of(guests, kA) == 1);
  CHECK(guests.unmap(kB, handle, kPlace + 1) == GNTST_okay);
  CHECK(guests.set_version(kA, 2) == 0);
  CHECK(guests.unmap(kB, reserved, kPlace) == GNTST_okay);
  guests.grant_v2(kA, 255, kB, 7);
  guests.map(kB, kA, 255, kPlace);
  CHECK(guests.set_version(kA, 1) == -XEN_EBUSY);
}

TEST_CASE("-ERANGE for reserved entries that version 1 cannot say, others that mean nothing there are dropped") {
  TwoGuests guests;
  REQUIRE(guests.set_version(kA, 2) == 0);
  guests.grant_v2(kA, 3, kB, uint64_t{1} << 32);
  CHECK(guests.set_version(kA, 1) == -XEN_ERANGE);
  guests.grant_through(kA, 3, kB, kB, 8);
  CHECK(guests.set_version(kA, 1) == -XEN_ERANGE);
  guests.grant_v2(kA, 3, kB, 7, GTF_accept_transfer);
  CHECK(guests.set_version(kA, 1) == 0);
  CHECK(guests.entry(kA, 3).flags == 0);
}

TEST_CASE("-EAGAIN while a copy through a part of a page is under way") {
  TwoGuests guests;
  REQUIRE(guests.set_version(kA, 2) == 0);
  guests.grant_part(kA, 5, kB, 7, 0, 64);
  gnttab_copy_t op{};
  op.source.u.ref = 5;
  op.source.domid = kA.v;
  op.dest.u.gmfn = 20;
  op.dest.domid = DOMID_SELF;
  op.len = 16;
  op.flags = GNTCOPY_source_gref;
  int64_t during = 0;
  bool asked = false;
  guests.platform.on_write = [&](xen::Site site) {
    if (site != xen::Site::kHypercallResult || std::exchange(asked, true)) return;
    during = guests.set_version(kA, 1);
  };
  CHECK(guests.call_with(kB, __HYPERVISOR_grant_table_op, GNTTABOP_copy, op) == 0);
  CHECK(op.status == GNTST_okay);
  CHECK(during == -XEN_EAGAIN);
  CHECK(guests.set_version(kA, 1) == 0);
  CHECK(guests.broken().empty());
}

TEST_CASE("status frames come with version 2, grow with the table and leave the map with it") {
  TwoGuests guests;
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, kStatus, 0x70100) == -XEN_EINVAL);
  REQUIRE(guests.set_version(kA, 2) == 0);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, kStatus, 0x70100) == 0);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, kStatus | 8, 0x70108) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, kStatus | 1, 0x70101) == 0);
  gnttab_query_size query{};
  query.dom = DOMID_SELF;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.nr_frames == 16);  // a second status frame stands for eight more frames
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 39, 0x70027) == 0);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, kStatus | 4, 0x70104) == 0);
  const Maybe<Mfn> status = guests.mapping(kA, 0x70100);
  REQUIRE(guests.set_version(kA, 1) == 0);
  for (const uint64_t gfn : {0x70100, 0x70101, 0x70104}) CHECK_FALSE(guests.mapping(kA, gfn));
  CHECK(guests.mapping(kA, 0x70027));
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, kStatus, 0x70100) == -XEN_EINVAL);
  REQUIRE(guests.set_version(kA, 2) == 0);
  CHECK(guests.status_v2(kA, 0) == 0);
  CHECK(guests.mapping(kA, 0x70100) == status);  // the page is used anew, zeroed
  CHECK(guests.broken().empty());
}

TEST_CASE("a status frame that another domain has mapped: the domain is taken for broken") {
  TwoGuests guests;
  REQUIRE(guests.set_version(kA, 2) == 0);
  guests.status_v2(kA, 0);
  guests.grant_v2(kA, 2, kB, 0x70100);
  CHECK(guests.map(kB, kA, 2, kPlace).status == GNTST_okay);
  CHECK(guests.set_version(kA, 1) == -XEN_EBUSY);
  CHECK(guests.platform.shutdowns == std::vector{xen::ShutdownReason::kCrash});
}

TEST_CASE("the number of a frame is cut to 32 bits, as Xen does") {
  TwoGuests guests;
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, uint64_t{1} << 32, 0x70000) == 0);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 0xffffffff, 0x70001) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 64, 0x70001) == -XEN_EINVAL);
}

TEST_CASE("swap exchanges entry and status") {
  TwoGuests guests;
  REQUIRE(guests.set_version(kA, 2) == 0);
  guests.grant_v2(kA, 8, kB, 7);
  guests.grant_part(kA, 9, kB, 9, 100, 200);
  guests.status_v2(kA, 0);
  guests.platform.poke((guests.mapping(kA, 0x70100)->v << kPageShift) + 8 * 2, uint16_t{GTF_reading});
  gnttab_swap_grant_ref op{};
  op.ref_a = 8;
  op.ref_b = 9;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_swap_grant_ref, op) == 0);
  CHECK(op.status == GNTST_okay);
  CHECK(guests.entry_v2(kA, 9).full_page.frame == 7);
  CHECK(guests.entry_v2(kA, 8).sub_page.length == 200);
  CHECK(guests.status_v2(kA, 9) == GTF_reading);
  CHECK(guests.status_v2(kA, 8) == 0);
  op.ref_b = 256;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_swap_grant_ref, op) == 0);
  CHECK(op.status == GNTST_bad_gntref);
}

}  // namespace
}  // namespace xensim
