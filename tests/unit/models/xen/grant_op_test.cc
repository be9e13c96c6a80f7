// The sub-ops of the grant hypercall that concern the caller's own table; errors as the oracle gave them.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;

int64_t grant_op(TwoGuests& guests, uint64_t op, uint64_t at, uint64_t count) {
  return guests.call(kA, __HYPERVISOR_grant_table_op, {op, at, count});
}

TEST_CASE("query_size and the growth of the table") {
  TwoGuests guests;
  gnttab_query_size query{};
  query.dom = DOMID_SELF;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.status == GNTST_okay);
  CHECK(query.nr_frames == 1);
  CHECK(query.max_nr_frames == 64);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 3, 0x70003) == 0);
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.nr_frames == 4);
  query.dom = TwoGuests::kB.v;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.status == GNTST_permission_denied);
  query.dom = 99;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.status == GNTST_bad_domain);
  query.dom = 0;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.status == GNTST_permission_denied);
}

TEST_CASE("setup_table tells where each frame is mapped") {
  TwoGuests guests;
  gnttab_setup_table op{};
  op.dom = DOMID_SELF;
  op.nr_frames = 2;
  op.frame_list.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{0x3000});
  guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 1, 0x70001);
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, op) == 0);
  CHECK(op.status == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kA, 0x3000) == ~uint64_t{0});
  CHECK(guests.peek<uint64_t>(kA, 0x3008) == 0x70001);
  op.nr_frames = 65;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, op) == 0);
  CHECK(op.status == GNTST_general_error);
}

TEST_CASE("versions: 1 alone under the kvm flavour") {
  xen::Flavour flavour;
  flavour.grant_v1_only = true;
  TwoGuests guests(flavour);
  gnttab_set_version set{};
  set.version = 3;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, set) == -XEN_EINVAL);
  CHECK(set.version == 1);
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, set) == 0);
  set.version = 2;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, set) == -XEN_ENOSYS);
  gnttab_get_version get{};
  get.dom = DOMID_SELF;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_get_version, get) == 0);
  CHECK(get.version == 1);
  get.dom = 99;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_get_version, get) == -XEN_ESRCH);
  get.dom = 0;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_get_version, get) == -XEN_EPERM);
}

TEST_CASE("entries are swapped whole, unless one is in use") {
  TwoGuests guests;
  guests.grant(kA, 8, TwoGuests::kB, 7);
  guests.grant(kA, 9, kA, 11, GTF_permit_access | GTF_readonly);
  gnttab_swap_grant_ref op{};
  op.ref_a = 8;
  op.ref_b = 9;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_swap_grant_ref, op) == 0);
  CHECK(op.status == GNTST_okay);
  CHECK(guests.entry(kA, 8).frame == 11);
  CHECK(guests.entry(kA, 9).frame == 7);
  CHECK(guests.map(TwoGuests::kB, kA, 9, 0x50000).status == GNTST_okay);
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_swap_grant_ref, op) == 0);
  CHECK(op.status == GNTST_eagain);
  op.ref_b = 8;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_swap_grant_ref, op) == 0);
  CHECK(op.status == GNTST_okay);
  op.ref_b = 512;
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_swap_grant_ref, op) == 0);
  CHECK(op.status == GNTST_bad_gntref);
}

TEST_CASE("counts, sub-ops and addresses, as measured on Xen 4.17.7") {
  TwoGuests guests;
  constexpr uint64_t kBad = uint64_t{1} << 38;
  CHECK(grant_op(guests, GNTTABOP_map_grant_ref, 0x1000, 0) == 0);
  CHECK(grant_op(guests, GNTTABOP_copy, 0x1000, 0) == 0);
  CHECK(grant_op(guests, GNTTABOP_copy, kBad, 1) == -XEN_EFAULT);
  CHECK(grant_op(guests, GNTTABOP_copy, kBad, 0) == 0);
  CHECK(grant_op(guests, GNTTABOP_setup_table, 0x1000, 0) == -XEN_EINVAL);
  CHECK(grant_op(guests, GNTTABOP_query_size, 0x1000, 2) == -XEN_EINVAL);
  CHECK(grant_op(guests, GNTTABOP_query_size, 0x1000, 0xffffffff) == -XEN_EINVAL);
  CHECK(grant_op(guests, GNTTABOP_set_version, kBad, 1) == -XEN_EFAULT);
  CHECK(grant_op(guests, 0x1005, 0x1000, 1) == -XEN_ENOSYS);
  for (const uint64_t op : {3u, 4u, 7u, 9u, 12u, 13u}) CHECK(grant_op(guests, op, 0x1000, 0) == -XEN_ENOSYS);
}

}  // namespace
}  // namespace xensim
