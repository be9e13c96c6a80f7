// GNTTABOP_map_grant_ref and unmap_grant_ref: pins, flags, handles, places.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr DomId kB = TwoGuests::kB;
constexpr uint64_t kPlace = 0x50000;  // a gfn without RAM

TEST_CASE("a granted page appears at host_addr and goes again, with the entry's flags as Xen sets them") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  const gnttab_map_grant_ref op = guests.map(kB, kA, 8, kPlace);
  CHECK(op.status == GNTST_okay);
  CHECK(op.handle == 0);
  CHECK(op.dev_bus_addr == 7 * kPageSize);
  CHECK(guests.mapping(kB, kPlace) == Mfn{7});
  CHECK(guests.entry(kA, 8).flags == (GTF_permit_access | GTF_reading | GTF_writing));
  CHECK(guests.unmap(kB, op.handle, kPlace) == GNTST_okay);
  CHECK_FALSE(guests.mapping(kB, kPlace));
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.unmap(kB, op.handle, kPlace) == GNTST_bad_handle);
  CHECK(guests.broken().empty());
}

TEST_CASE("what cannot be mapped, and why") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  guests.grant(kA, 9, kA, 7);
  guests.grant(kA, 10, kB, 7, GTF_permit_access | GTF_readonly);
  guests.grant(kA, 11, kB, 0x60000);
  guests.grant(kA, 12, kB, 7, GTF_permit_access | GTF_sub_page);
  CHECK(guests.map(kB, kA, 8, kPlace, 0).status == GNTST_bad_gntref);
  CHECK(guests.map(kB, kA, 8, kPlace, GNTMAP_host_map | GNTMAP_device_map).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 8, kPlace, GNTMAP_host_map | GNTMAP_contains_pte).status == GNTST_general_error);
  CHECK(guests.map(kB, DomId{99}, 8, kPlace).status == GNTST_bad_domain);
  CHECK(guests.map(kB, kA, 512, kPlace).status == GNTST_bad_gntref);  // beyond the one frame there is
  CHECK(guests.map(kB, kA, 9, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 10, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 11, kPlace).status == GNTST_bad_page);
  CHECK(guests.map(kB, kA, 12, kPlace).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 8, uint64_t{1} << 40).status == GNTST_general_error);
  for (const uint32_t ref : {8u, 9u, 10u, 11u, 12u}) {
    CAPTURE(ref);
    CHECK((guests.entry(kA, ref).flags & (GTF_reading | GTF_writing)) == 0);
  }
  CHECK(guests.map(kB, kA, 10, kPlace, GNTMAP_host_map | GNTMAP_readonly).status == GNTST_okay);
  CHECK(guests.entry(kA, 10).flags == (GTF_permit_access | GTF_readonly | GTF_reading));
  CHECK(guests.broken().empty());
}

TEST_CASE("the writing flag goes with the last writable mapping, the reading flag with the last of all") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  const uint32_t write = guests.map(kB, kA, 8, kPlace).handle;
  const uint32_t read = guests.map(kB, kA, 8, kPlace + 1, GNTMAP_host_map | GNTMAP_readonly).handle;
  CHECK(guests.unmap(kB, write, kPlace) == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == (GTF_permit_access | GTF_reading));
  CHECK(guests.unmap(kB, read, kPlace + 1) == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
}

TEST_CASE("a pinned entry keeps its frame and grantee whatever the guest writes there") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_okay);
  guests.grant(kA, 8, kA, 9, GTF_permit_access | GTF_reading | GTF_writing);
  const gnttab_map_grant_ref again = guests.map(kB, kA, 8, kPlace + 1);
  CHECK(again.status == GNTST_okay);
  CHECK(guests.mapping(kB, kPlace + 1) == Mfn{7});
  CHECK(guests.map(kA, kA, 8, kPlace).status == GNTST_general_error);
}

TEST_CASE("the frame is read only after the entry was pinned") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  guests.platform.at_site(xen::Site::kGrantFrame, 0, [&] { guests.grant(kA, 8, kB, 9, guests.entry(kA, 8).flags); });
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_okay);
  CHECK(guests.mapping(kB, kPlace) == Mfn{9});
}

TEST_CASE("an entry that changes under the compare-exchange is tried again with what is there now") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  // Access 0 is the load, access 1 the first compare-exchange: before it the guest revokes the grant.
  guests.platform.at_site(xen::Site::kGrantEntry, 1, [&] { guests.grant(kA, 8, kB, 7, 0); });
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_general_error);
  CHECK(guests.entry(kA, 8).flags == 0);
  guests.grant(kA, 8, kB, 7);
  guests.platform.at_site(xen::Site::kGrantEntry, 1, [&] { guests.grant(kA, 8, kB, 7, GTF_permit_access | 0x40); });
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == (GTF_permit_access | 0x40 | GTF_reading | GTF_writing));
}

TEST_CASE("after five changes in a row the entry counts as unstable") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  unsigned tries = 0;
  std::function<void()> flip = [&] {
    ++tries;
    guests.grant(kA, 8, kB, 7, static_cast<uint16_t>(GTF_permit_access | (tries % 2 == 1 ? 0x40 : 0)));
    guests.platform.at_site(xen::Site::kGrantEntry, 0, flip);
  };
  guests.platform.at_site(xen::Site::kGrantEntry, 1, flip);
  CHECK(guests.map(kB, kA, 8, kPlace).status == GNTST_general_error);
  CHECK(tries == 5);
}

TEST_CASE("a mapping over a grant mapping takes the domain down, over RAM it hides it") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  guests.grant(kA, 9, kB, 10);
  CHECK(guests.map(kB, kA, 8, 30).status == GNTST_okay);
  CHECK(guests.mapping(kB, 30) == Mfn{7});
  CHECK(guests.platform.shutdowns.empty());
  CHECK(guests.map(kB, kA, 9, 30).status == GNTST_general_error);
  CHECK(guests.platform.shutdowns == std::vector{xen::ShutdownReason::kCrash});
  CHECK(guests.entry(kA, 9).flags == GTF_permit_access);
}

TEST_CASE("unmap needs the place where it was mapped") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  const uint32_t handle = guests.map(kB, kA, 8, kPlace).handle;
  CHECK(guests.unmap(kB, handle, kPlace + 1) == GNTST_general_error);
  CHECK(guests.unmap(kB, handle, 0) == GNTST_okay);  // address 0: nothing to unmap, and nothing happened
  CHECK(guests.mapping(kB, kPlace) == Mfn{7});
  CHECK(guests.unmap(kB, handle + 1, kPlace) == GNTST_bad_handle);
  CHECK(guests.unmap(kB, 0xffffffff, kPlace) == GNTST_bad_handle);
  CHECK(guests.unmap(kB, handle, kPlace) == GNTST_okay);
}

TEST_CASE("a page mapped through a grant holds no arguments, and its owner may not have it twice") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  CHECK(guests.map(kB, kA, 8, 40).status == GNTST_okay);
  CHECK(guests.call(kB, __HYPERVISOR_xen_version, {XENVER_get_features, 40 * kPageSize}) == -XEN_EFAULT);
  guests.grant(kA, 9, kA, 20);
  CHECK(guests.map(kA, kA, 9, kPlace).status == GNTST_okay);
  CHECK(guests.mapping(kA, kPlace) == Mfn{20});
  CHECK(guests.call(kA, __HYPERVISOR_xen_version, {XENVER_get_features, 20 * kPageSize}) == -XEN_EFAULT);
}

TEST_CASE("pin counters do not run over") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  for (unsigned i = 0; i < 128; ++i) CHECK(guests.map(kB, kA, 8, kPlace + i).status == GNTST_okay);
  CHECK(guests.map(kB, kA, 8, kPlace + 128).status == GNTST_general_error);
  CHECK(guests.map(kB, kA, 8, kPlace + 128, GNTMAP_host_map | GNTMAP_readonly).status == GNTST_okay);
  CHECK(guests.broken().empty());
}

TEST_CASE("handles end with the maptrack table and come back oldest first") {
  TwoGuests guests({}, 1);
  for (uint32_t ref = 8; ref < 11; ++ref) guests.grant(kA, ref, kB, ref);
  std::vector<uint32_t> handles;
  for (;;) {
    const auto at = static_cast<uint32_t>(handles.size());
    const gnttab_map_grant_ref op = guests.map(kB, kA, 8 + at / 120, kPlace + at);
    if (op.status == GNTST_no_space) break;
    REQUIRE(op.status == GNTST_okay);
    handles.push_back(op.handle);
  }
  CHECK(handles.size() == 255);  // one of 256 stays as the free list's end
  CHECK(guests.unmap(kB, 3, kPlace + 3) == GNTST_okay);
  CHECK(guests.unmap(kB, 5, kPlace + 5) == GNTST_okay);
  CHECK(guests.map(kB, kA, 10, kPlace + 0x1000).handle == 255);
  CHECK(guests.map(kB, kA, 10, kPlace + 0x1001).handle == 3);
  CHECK(guests.map(kB, kA, 10, kPlace + 0x1002).status == GNTST_no_space);
  CHECK(guests.broken().empty());
}

TEST_CASE("a batch of unmaps drops its pins after the last of them") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  guests.grant(kA, 9, kB, 8);
  guests.map(kB, kA, 8, kPlace);
  guests.map(kB, kA, 9, kPlace + 1);
  std::vector<gnttab_unmap_grant_ref> list(2);
  list[0].host_addr = kPlace << kPageShift;
  list[1].host_addr = (kPlace + 1) << kPageShift;
  list[1].handle = 1;
  uint16_t flags_at_second_unmap = 0;
  unsigned writes = 0;
  guests.platform.on_write = [&](xen::Site site) {
    if (site == xen::Site::kHypercallResult && ++writes == 2) flags_at_second_unmap = guests.entry(kA, 8).flags;
  };
  CHECK(guests.call_with(kB, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, list) == 0);
  CHECK(flags_at_second_unmap == (GTF_permit_access | GTF_reading | GTF_writing));
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.entry(kA, 9).flags == GTF_permit_access);
}

TEST_CASE("a page in use through a grant is not given out again") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  const uint32_t handle = guests.map(kB, kA, 8, kPlace).handle;
  std::vector<uint64_t> gfns{7};
  guests.poke(kA, 0x2000, gfns[0]);
  xen_memory_reservation reservation{};
  reservation.extent_start.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{0x2000});
  reservation.nr_extents = 1;
  reservation.domid = DOMID_SELF;
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, reservation) == 1);
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_populate_physmap, reservation) == 1);
  CHECK(guests.mapping(kA, 7) != Mfn{7});
  CHECK(guests.unmap(kB, handle, kPlace) == GNTST_okay);
  guests.poke(kA, 0x2000, uint64_t{9});
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, reservation) == 1);
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_populate_physmap, reservation) == 1);
  CHECK(guests.mapping(kA, 9) == Mfn{7});
}

TEST_CASE("a domain that ends lets go of what it mapped") {
  TwoGuests guests;
  guests.grant(kA, 8, kB, 7);
  guests.grant(kA, 9, kB, 8);
  const uint32_t handle = guests.map(kB, kA, 8, kPlace).handle;
  guests.map(kB, kA, 9, kPlace + 1, GNTMAP_host_map | GNTMAP_readonly);
  CHECK(guests.unmap(kB, handle, kPlace) == GNTST_okay);
  CHECK(guests.entry(kA, 9).flags == (GTF_permit_access | GTF_reading));
  sched_shutdown shutdown{};
  guests.call_with(kB, __HYPERVISOR_sched_op, SCHEDOP_shutdown, shutdown);
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.entry(kA, 9).flags == GTF_permit_access);
  CHECK(guests.broken().empty());
}

}  // namespace
}  // namespace xensim
