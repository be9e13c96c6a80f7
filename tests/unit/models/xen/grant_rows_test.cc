// One case for each GNTTABOP, in both widths: success, the errors that its documentation names, and limit values. What
// lies behind them is in the tests of its own.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr DomId kB = TwoGuests::kB;
constexpr uint64_t kPlace = 0x50000;
constexpr uint64_t kBad = 0x7fff'0000;  // no RAM there, in both widths
constexpr uint32_t kCall = __HYPERVISOR_grant_table_op;

// Runs `body` for a 64-bit and for a 32-bit caller.
template <class Body>
void in_both_widths(Body body) {
  for (const bool mode64 : {true, false}) {
    CAPTURE(mode64);
    TwoGuests guests;
    guests.mode64 = mode64;
    body(guests);
    CHECK(guests.broken().empty());
  }
}

// place_grants with the caller's layout.
void place_table(TwoGuests& guests, DomId dom) {
  const bool mode64 = std::exchange(guests.mode64, true);
  guests.grant_frame(dom);
  guests.mode64 = mode64;
}

int16_t copy(TwoGuests& guests, DomId by, DomId from, uint32_t ref, uint16_t offset, uint16_t len) {
  const auto run = [&](auto op) {
    op.source.u.ref = ref;
    op.source.domid = from.v;
    op.source.offset = offset;
    op.dest.u.gmfn = 20;
    op.dest.domid = DOMID_SELF;
    op.len = len;
    op.flags = GNTCOPY_source_gref;
    XS_CHECK(guests.call_with(by, kCall, GNTTABOP_copy, op) == 0);
    return op.status;
  };
  return guests.mode64 ? run(gnttab_copy_t{}) : run(xen::abi32::gnttab_copy{});
}

TEST_CASE("A6 0 map_grant_ref") {
  in_both_widths([](TwoGuests& guests) {
    place_table(guests, kA);
    guests.grant(kA, 511, kB, 7);
    CHECK(guests.map(kB, kA, 511, kPlace).status == GNTST_okay);
    CHECK(guests.map(kB, kA, 511, kPlace, 0).status == GNTST_bad_gntref);
    CHECK(guests.map(kB, kA, 511, kPlace, GNTMAP_host_map | GNTMAP_device_map).status == GNTST_general_error);
    CHECK(guests.map(kB, kA, 511, kPlace, GNTMAP_host_map | GNTMAP_application_map).status == GNTST_general_error);
    CHECK(guests.map(kB, DomId{DOMID_SELF}, 511, kPlace).status == GNTST_bad_domain);
    CHECK(guests.map(kB, kA, 512, kPlace).status == GNTST_bad_gntref);
    CHECK(guests.map(kB, kA, ~0u, kPlace).status == GNTST_bad_gntref);
    CHECK(guests.map(kB, DomId{0}, 511, kPlace).status == GNTST_general_error);  // domain 0's entries are free
    CHECK(guests.map(kB, DomId{0}, 512, kPlace).status == GNTST_bad_gntref);
    CHECK(guests.call(kB, kCall, {GNTTABOP_map_grant_ref, kBad, 1}) == -XEN_EFAULT);
    CHECK(guests.call(kB, kCall, {GNTTABOP_map_grant_ref, kBad, 0}) == 0);
    CHECK(guests.call(kB, kCall, {GNTTABOP_map_grant_ref, 0x1000, 0x80000000}) == -XEN_EINVAL);
  });
}

TEST_CASE("A6 1 unmap_grant_ref") {
  in_both_widths([](TwoGuests& guests) {
    place_table(guests, kA);
    guests.grant(kA, 8, kB, 7);
    const uint32_t handle = guests.map(kB, kA, 8, kPlace).handle;
    CHECK(guests.unmap(kB, handle + 1, kPlace) == GNTST_bad_handle);
    CHECK(guests.unmap(kB, ~0u, kPlace) == GNTST_bad_handle);
    CHECK(guests.unmap(kB, handle, kPlace + 1) == GNTST_general_error);
    CHECK(guests.unmap(kB, handle, kPlace) == GNTST_okay);
    CHECK(guests.unmap(kB, handle, kPlace) == GNTST_bad_handle);
    CHECK(guests.call(kB, kCall, {GNTTABOP_unmap_grant_ref, kBad, 1}) == -XEN_EFAULT);
  });
}

TEST_CASE("A6 2 setup_table") {
  in_both_widths([](TwoGuests& guests) {
    const auto setup = [&](uint16_t dom, uint32_t frames, uint32_t list) {
      const auto run = [&](auto op) {
        op.dom = dom;
        op.nr_frames = frames;
        std::memcpy(&op.frame_list, &list, sizeof(list));
        CHECK(guests.call_with(kA, kCall, GNTTABOP_setup_table, op) == 0);
        return op.status;
      };
      return guests.mode64 ? run(gnttab_setup_table{}) : run(xen::abi32::gnttab_setup_table{});
    };
    place_table(guests, kA);
    CHECK(setup(DOMID_SELF, 2, 0x3000) == GNTST_okay);
    CHECK(guests.peek<uint32_t>(kA, 0x3000) == 0x70000);
    CHECK(guests.peek<uint32_t>(kA, guests.mode64 ? 0x3008 : 0x3004) == ~0u);
    CHECK(setup(DOMID_SELF, 0, 0) == GNTST_okay);
    CHECK(setup(DOMID_SELF, 65, 0x3000) == GNTST_general_error);
    CHECK(setup(DOMID_SELF, ~0u, 0x3000) == GNTST_general_error);
    CHECK(setup(kB.v, 1, 0x3000) == GNTST_permission_denied);
    CHECK(setup(99, 1, 0x3000) == GNTST_bad_domain);
    // The 32-bit call has its status before it writes the list.
    CHECK(setup(DOMID_SELF, 1, kBad) == (guests.mode64 ? GNTST_bad_virt_addr : GNTST_okay));
    CHECK(guests.call(kA, kCall, {GNTTABOP_setup_table, 0x1000, 0}) == (guests.mode64 ? -XEN_EINVAL : 0));
    CHECK(guests.call(kA, kCall, {GNTTABOP_setup_table, 0x1000, 2}) == -XEN_EINVAL);
    CHECK(guests.call(kA, kCall, {GNTTABOP_setup_table, kBad, 1}) == -XEN_EFAULT);
  });
}

TEST_CASE("A6 3, 4, 7, 9, 12: dump_table, transfer, unmap_and_replace, get_status_frames, cache_flush are refused") {
  in_both_widths([](TwoGuests& guests) {
    for (const uint64_t op : {3u, 4u, 7u, 9u, 12u, 13u}) {
      CHECK(guests.call(kA, kCall, {op, 0x1000, 1}) == -XEN_ENOSYS);
      CHECK(guests.call(kA, kCall, {op, kBad, 0x80000000}) == -XEN_ENOSYS);
    }
  });
}

TEST_CASE("A6 5 copy") {
  in_both_widths([](TwoGuests& guests) {
    place_table(guests, kA);
    guests.grant(kA, 8, kB, 7);
    guests.poke(kA, 7 * kPageSize, uint64_t{42});
    CHECK(copy(guests, kB, kA, 8, 0, kPageSize) == GNTST_okay);
    CHECK(guests.peek<uint64_t>(kB, 20 * kPageSize) == 42);
    CHECK(copy(guests, kB, kA, 8, 1, kPageSize) == GNTST_bad_copy_arg);
    CHECK(copy(guests, kB, kA, 8, kPageSize, 0) == GNTST_okay);
    CHECK(copy(guests, kB, kA, 9, 0, 8) == GNTST_general_error);
    CHECK(copy(guests, kB, kA, 512, 0, 8) == GNTST_bad_gntref);
    CHECK(copy(guests, kB, DomId{99}, 8, 0, 8) == GNTST_bad_domain);
    CHECK(copy(guests, kB, DomId{0}, 8, 0, 8) == GNTST_general_error);
    CHECK(copy(guests, kB, DomId{0}, 512, 0, 8) == GNTST_bad_gntref);
    CHECK(guests.call(kB, kCall, {GNTTABOP_copy, kBad, 1}) == -XEN_EFAULT);
  });
}

TEST_CASE("A6 5 copy: a bad second struct stops a 32-bit batch before its first copy, a 64-bit one after it") {
  in_both_widths([](TwoGuests& guests) {
    place_table(guests, kA);
    guests.grant(kA, 8, kB, 7);
    guests.poke(kA, 7 * kPageSize, uint64_t{42});
    const auto run = [&](auto op) {
      op.source.u.ref = 8;
      op.source.domid = kA.v;
      op.dest.u.gmfn = 20;
      op.dest.domid = DOMID_SELF;
      op.len = 8;
      op.flags = GNTCOPY_source_gref;
      op.status = 77;
      const uint64_t at = TwoGuests::kRam - sizeof(op);  // the next one is beyond the end of RAM
      guests.poke(kB, at, op);
      CHECK(guests.call(kB, kCall, {GNTTABOP_copy, at, 2}) == -XEN_EFAULT);
      return guests.template peek<decltype(op)>(kB, at).status;
    };
    const int16_t status = guests.mode64 ? run(gnttab_copy_t{}) : run(xen::abi32::gnttab_copy{});
    CHECK(status == (guests.mode64 ? GNTST_okay : 77));
    CHECK(guests.peek<uint64_t>(kB, 20 * kPageSize) == (guests.mode64 ? 42u : 0u));
  });
}

TEST_CASE("A6 6 query_size") {
  in_both_widths([](TwoGuests& guests) {
    gnttab_query_size op{};
    op.dom = DOMID_SELF;
    CHECK(guests.call_with(kA, kCall, GNTTABOP_query_size, op) == 0);
    CHECK(op.status == GNTST_okay);
    CHECK(op.nr_frames == 1);
    CHECK(op.max_nr_frames == 64);
    for (const auto& [dom, status] : {std::pair{kB.v, GNTST_permission_denied},
                                      {uint16_t{0}, GNTST_permission_denied},
                                      {uint16_t{99}, GNTST_bad_domain},
                                      {uint16_t{0x7ff1}, GNTST_bad_domain}}) {
      op.dom = dom;
      CHECK(guests.call_with(kA, kCall, GNTTABOP_query_size, op) == 0);
      CHECK(op.status == status);
    }
    for (const uint64_t count : {0u, 2u, 0xffffffffu}) {
      CHECK(guests.call(kA, kCall, {GNTTABOP_query_size, 0x1000, count}) == -XEN_EINVAL);
    }
    CHECK(guests.call(kA, kCall, {GNTTABOP_query_size, kBad, 1}) == -XEN_EFAULT);
  });
}

TEST_CASE("A6 8 set_version and 10 get_version") {
  in_both_widths([](TwoGuests& guests) {
    CHECK(guests.set_version(kA, 2) == 0);
    CHECK(guests.set_version(kA, 0) == -XEN_EINVAL);
    CHECK(guests.set_version(kA, ~0u) == -XEN_EINVAL);
    gnttab_get_version op{};
    op.dom = DOMID_SELF;
    CHECK(guests.call_with(kA, kCall, GNTTABOP_get_version, op) == 0);
    CHECK(op.version == 2);
    op.dom = kB.v;
    CHECK(guests.call_with(kA, kCall, GNTTABOP_get_version, op) == -XEN_EPERM);
    op.dom = 99;
    CHECK(guests.call_with(kA, kCall, GNTTABOP_get_version, op) == -XEN_ESRCH);
    CHECK(guests.call(kA, kCall, {GNTTABOP_get_version, kBad, 1}) == -XEN_EFAULT);
    CHECK(guests.call(kA, kCall, {GNTTABOP_set_version, kBad, 1}) == -XEN_EFAULT);
  });
}

TEST_CASE("A6 11 swap_grant_ref") {
  in_both_widths([](TwoGuests& guests) {
    place_table(guests, kA);
    guests.grant(kA, 8, kB, 7);
    const auto swap = [&](uint32_t a, uint32_t b) {
      gnttab_swap_grant_ref op{a, b, 77};
      CHECK(guests.call_with(kA, kCall, GNTTABOP_swap_grant_ref, op) == 0);
      return op.status;
    };
    CHECK(swap(8, 511) == GNTST_okay);
    CHECK(guests.entry(kA, 511).frame == 7);
    CHECK(swap(8, 512) == GNTST_bad_gntref);
    CHECK(swap(~0u, ~0u) == GNTST_bad_gntref);
    guests.map(kB, kA, 511, kPlace);
    CHECK(swap(511, 8) == GNTST_eagain);
    CHECK(swap(8, 511) == GNTST_eagain);
    CHECK(swap(511, 511) == GNTST_okay);
    CHECK(guests.call(kA, kCall, {GNTTABOP_swap_grant_ref, kBad, 1}) == -XEN_EFAULT);
  });
}

}  // namespace
}  // namespace xensim
