// GNTTABOP_copy: sources, destinations, bounds and pins.
#include <doctest/doctest.h>

#include <cstring>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr DomId kB = TwoGuests::kB;

gnttab_copy_t copy_from_grant(DomId source, uint32_t ref, uint64_t dest_gfn) {
  gnttab_copy_t op{};
  op.source.u.ref = ref;
  op.source.domid = source.v;
  op.dest.u.gmfn = dest_gfn;
  op.dest.domid = DOMID_SELF;
  op.len = 16;
  op.flags = GNTCOPY_source_gref;
  return op;
}

int16_t copy(TwoGuests& guests, DomId by, gnttab_copy_t op) {
  XS_CHECK(guests.call_with(by, __HYPERVISOR_grant_table_op, GNTTABOP_copy, op) == 0);
  return op.status;
}

TEST_CASE("from another domain's grant, into it, and between grants") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7, GTF_permit_access | GTF_readonly);
  guests.grant(kA, 9, kB, 8);
  guests.poke(kA, 7 * kPageSize + 100, uint64_t{0x1122334455667788});
  gnttab_copy_t op = copy_from_grant(kA, 8, 20);
  op.source.offset = 96;
  op.dest.offset = 4;
  CHECK(copy(guests, kB, op) == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kB, 20 * kPageSize + 8) == 0x1122334455667788);
  CHECK(guests.entry(kA, 8).flags == (GTF_permit_access | GTF_readonly));

  gnttab_copy_t into = op;
  into.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
  into.dest.u.ref = 9;
  into.dest.domid = kA.v;
  CHECK(copy(guests, kB, into) == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kA, 8 * kPageSize + 8) == 0x1122334455667788);
  CHECK(guests.entry(kA, 9).flags == GTF_permit_access);
  CHECK(guests.broken().empty());
}

TEST_CASE("the errors as they were measured on Xen") {
  TwoGuests guests;
  guests.grant(kA, 8, DomId{DOMID_SELF}, 7);
  guests.grant(kA, 9, kA, 7, 0);
  guests.grant(kA, 10, kA, 7);
  guests.grant(kA, 11, kA, 7, GTF_permit_access | GTF_readonly);
  CHECK(copy(guests, kA, copy_from_grant(DomId{DOMID_SELF}, 8, 20)) == GNTST_general_error);
  CHECK(copy(guests, kA, copy_from_grant(DomId{DOMID_SELF}, 9, 20)) == GNTST_general_error);
  CHECK(copy(guests, kA, copy_from_grant(DomId{DOMID_SELF}, 10, 20)) == GNTST_okay);
  CHECK(copy(guests, kA, copy_from_grant(kA, 10, 20)) == GNTST_okay);
  CHECK(copy(guests, kA, copy_from_grant(kA, 512, 20)) == GNTST_bad_gntref);
  CHECK(copy(guests, kA, copy_from_grant(DomId{99}, 10, 20)) == GNTST_bad_domain);
  CHECK(copy(guests, kA, copy_from_grant(kA, 10, 0x60000)) == GNTST_bad_page);

  gnttab_copy_t op = copy_from_grant(kA, 10, 20);
  op.source.offset = kPageSize - 15;
  CHECK(copy(guests, kA, op) == GNTST_bad_copy_arg);
  op.source.offset = kPageSize - 16;
  CHECK(copy(guests, kA, op) == GNTST_okay);
  op.dest.offset = kPageSize - 1;
  CHECK(copy(guests, kA, op) == GNTST_bad_copy_arg);

  gnttab_copy_t foreign_frame = copy_from_grant(kA, 10, 20);
  foreign_frame.dest.domid = kB.v;
  CHECK(copy(guests, kA, foreign_frame) == GNTST_permission_denied);

  gnttab_copy_t to_readonly{};
  to_readonly.source.u.gmfn = 20;
  to_readonly.source.domid = DOMID_SELF;
  to_readonly.dest.u.ref = 11;
  to_readonly.dest.domid = kA.v;
  to_readonly.flags = GNTCOPY_dest_gref;
  CHECK(copy(guests, kA, to_readonly) == GNTST_general_error);
  for (const uint32_t ref : {8u, 9u, 10u, 11u}) CHECK((guests.entry(kA, ref).flags & (GTF_reading | GTF_writing)) == 0);
}

TEST_CASE("each struct of an array has a status of its own, and a bad address ends the call") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  std::vector<gnttab_copy_t> list{copy_from_grant(kA, 8, 20), copy_from_grant(kA, 500, 20), copy_from_grant(kA, 8, 21)};
  CHECK(guests.call_with(kB, __HYPERVISOR_grant_table_op, GNTTABOP_copy, list) == 0);
  CHECK(list[0].status == GNTST_okay);
  CHECK(list[1].status == GNTST_general_error);
  CHECK(list[2].status == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.call(kB, __HYPERVISOR_grant_table_op, {GNTTABOP_copy, uint64_t{1} << 40, 1}) == -XEN_EFAULT);
  CHECK(guests.call(kB, __HYPERVISOR_grant_table_op, {GNTTABOP_copy, 0x1000, 0x80000000}) == -XEN_EINVAL);
}

TEST_CASE("consecutive copies from one grant keep it pinned between them") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  std::vector<gnttab_copy_t> list{copy_from_grant(kA, 8, 20), copy_from_grant(kA, 8, 21)};
  uint16_t between = 0;
  guests.platform.on_write = [&](xen::Site site) {
    if (site == xen::Site::kHypercallResult) between = guests.entry(kA, 8).flags;
  };
  CHECK(guests.call_with(kB, __HYPERVISOR_grant_table_op, GNTTABOP_copy, list) == 0);
  CHECK(between == (GTF_permit_access | GTF_reading));
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
}

TEST_CASE("the 32-bit layout") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  guests.poke(kA, 7 * kPageSize, uint64_t{42});
  guests.mode64 = false;
  xen::abi32::gnttab_copy op{};
  op.source.u.ref = 8;
  op.source.domid = kA.v;
  op.dest.u.gmfn = 20;
  op.dest.domid = DOMID_SELF;
  op.len = 8;
  op.flags = GNTCOPY_source_gref;
  op.status = 77;
  CHECK(guests.call_with(kB, __HYPERVISOR_grant_table_op, GNTTABOP_copy, op) == 0);
  CHECK(op.status == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kB, 20 * kPageSize) == 42);
}

TEST_CASE("under the kvm flavour grants are data alone") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  for (const uint64_t op : {GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, GNTTABOP_setup_table, GNTTABOP_copy}) {
    CHECK(guests.call(kA, __HYPERVISOR_grant_table_op, {op, 0x1000, 1}) == -XEN_ENOSYS);
  }
  gnttab_query_size query{};
  query.dom = DOMID_SELF;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.max_nr_frames == 64);
}

}  // namespace
}  // namespace xensim
