// XENMEM increase_reservation, decrease_reservation, populate_physmap, the figures and claims, in both widths: answers
// as Xen 4.17.7 gave them.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr uint64_t kList = 0x2000;
constexpr uint64_t kNowhere = TwoGuests::kRam + 0x10000;  // no memory is there
constexpr uint64_t kAt = TwoGuests::kArgument;
constexpr auto kPages = static_cast<int64_t>(TwoGuests::kPages);
constexpr int64_t kToolstack = 17;

// The caller's width, and a list at `list`.
struct Reserve {
  TwoGuests* guests;
  bool wide = true;
  uint64_t list = kList;
  uint64_t count = 1;
  uint32_t order = 0;
  uint32_t flags = 0;
  uint16_t domid = DOMID_SELF;

  void gfns(std::vector<uint64_t> numbers) const {
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (wide) {
        guests->poke(kA, kList + i * 8, numbers[i]);
      } else {
        guests->poke(kA, kList + i * 4, static_cast<uint32_t>(numbers[i]));
      }
    }
  }
  int64_t operator()(uint64_t op, uint64_t start = 0) const {
    guests->mode64 = wide;
    if (!wide) {
      xen::abi32::xen_memory_reservation raw{};
      raw.extent_start.p = static_cast<uint32_t>(list);
      raw.nr_extents = static_cast<uint32_t>(count);
      raw.extent_order = order;
      raw.mem_flags = flags;
      raw.domid = domid;
      return guests->call_with(kA, __HYPERVISOR_memory_op, op | start << 6, raw);
    }
    xen_memory_reservation raw{};
    raw.extent_start.p = reinterpret_cast<xen_pfn_t*>(list);
    raw.nr_extents = count;
    raw.extent_order = order;
    raw.mem_flags = flags;
    raw.domid = domid;
    return guests->call_with(kA, __HYPERVISOR_memory_op, op | start << 6, raw);
  }
};

int64_t figure(TwoGuests& guests, uint64_t op, uint16_t domid = DOMID_SELF) {
  xen_memory_domain query{};
  query.domid = domid;
  return guests.call_with(kA, __HYPERVISOR_memory_op, op, query);
}
int64_t current(TwoGuests& guests) { return figure(guests, XENMEM_current_reservation); }

TEST_CASE("the figures of a reservation") {
  for (const bool wide : {true, false}) {
    TwoGuests guests;
    guests.mode64 = wide;
    CHECK(current(guests) == kPages + kToolstack);
    CHECK(figure(guests, XENMEM_maximum_reservation) == kPages + 256);
    CHECK(figure(guests, XENMEM_maximum_gpfn) == 0xfefff);
    for (const uint64_t op : {XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_maximum_gpfn}) {
      CHECK(figure(guests, op, kA.v) == figure(guests, op));
      CHECK(figure(guests, op, 0) == -XEN_EPERM);
      CHECK(figure(guests, op, TwoGuests::kB.v) == -XEN_EPERM);
      CHECK(figure(guests, op, 99) == -XEN_ESRCH);
      CHECK(figure(guests, op, DOMID_XEN) == -XEN_ESRCH);
      CHECK(guests.call(kA, __HYPERVISOR_memory_op, {op, kNowhere}) == -XEN_EFAULT);
      CHECK(guests.call(kA, __HYPERVISOR_memory_op, {op | 1 << 6, kAt}) == -XEN_EINVAL);
    }
    CHECK(guests.call(kA, __HYPERVISOR_memory_op, {XENMEM_maximum_ram_page, 0}) == 0x100000);
    CHECK(guests.call(kA, __HYPERVISOR_memory_op, {XENMEM_maximum_ram_page | 1 << 6, 0}) == -XEN_EINVAL);
  }
}

TEST_CASE("a reservation that cannot be changed says how far it came, and changes nothing") {
  for (const bool wide : {true, false}) {
    TwoGuests guests;
    for (const uint64_t op : {XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap}) {
      CAPTURE(op);
      const Reserve good{&guests, wide};
      good.gfns({20, 21, 22});
      Reserve call = good;
      call.count = 0;
      CHECK(call(op) == 0);
      call.count = 3;
      CHECK(call(op, 3) == 3);
      CHECK(call(op, 4) == 4);
      call.count = 0x4000000;
      CHECK(call(op, 7) == 7);
      call = good;
      for (const uint16_t domid : {uint16_t{0}, uint16_t{99}, TwoGuests::kB.v, uint16_t{DOMID_XEN}}) {
        call.domid = domid;
        CHECK(call(op) == 0);
      }
      call = good;
      for (const uint32_t order : {10u, 32u, 63u, ~0u}) {
        call.order = order;
        CHECK(call(op) == 0);
      }
      call = good;
      for (const uint32_t flags : {1u, 12u, uint32_t{XENMEMF_exact_node(0)}}) {
        call.flags = flags;
        CHECK(call(op) == 0);
      }
      CHECK(guests.call(kA, __HYPERVISOR_memory_op, {op | 5 << 6, kNowhere}) == 5);
    }
    CHECK(current(guests) == kPages + kToolstack);
  }
}

TEST_CASE("decrease takes extents until one is not there, and what it took of that one is gone") {
  for (const bool wide : {true, false}) {
    TwoGuests guests;
    Reserve call{&guests, wide};
    call.count = 4;
    call.gfns({20, 21, 0x9000, 22});
    CHECK(call(XENMEM_decrease_reservation) == 2);
    CHECK(current(guests) == kPages + kToolstack - 2);
    CHECK(call(XENMEM_decrease_reservation) == 0);
    call.count = 2;
    call.gfns({24, 25});
    CHECK(call(XENMEM_decrease_reservation, 1) == 2);
    call.count = 1;
    call.order = 1;
    CHECK(call(XENMEM_decrease_reservation) == 0);
    CHECK(current(guests) == kPages + kToolstack - 4);
    call.order = 0;
    call.list = kNowhere;
    CHECK(call(XENMEM_decrease_reservation) == 0);
  }
}

TEST_CASE("populate gives zeroed pages, and loses a page that was there") {
  for (const bool wide : {true, false}) {
    TwoGuests guests;
    Reserve call{&guests, wide};
    call.count = 2;
    call.gfns({20, 21});
    guests.poke(kA, 20 * kPageSize, uint64_t{42});
    CHECK(call(XENMEM_decrease_reservation) == 2);
    call.gfns({20, 30});
    CHECK(call(XENMEM_populate_physmap) == 2);
    CHECK(guests.platform.peek_as<uint64_t>(guests.mapping(kA, 20)->v << kPageShift) == 0);
    CHECK(current(guests) == kPages + kToolstack);
    call.count = 1;
    call.order = 1;
    call.gfns({0x9021});
    CHECK(call(XENMEM_populate_physmap) == 1);
    CHECK(guests.mapping(kA, 0x9022));
    call.flags = XENMEMF_populate_on_demand;
    CHECK(call(XENMEM_populate_physmap) == 0);
    CHECK(current(guests) == kPages + kToolstack + 2);
  }
}

TEST_CASE("a page for a gfn that does not exist is the domain's all the same") {
  TwoGuests guests;
  const Reserve call{&guests};
  for (const uint64_t gfn : {uint64_t{1} << 36, uint64_t{1} << 52, ~uint64_t{0}}) {
    call.gfns({gfn});
    CHECK(call(XENMEM_populate_physmap) == 0);
  }
  CHECK(current(guests) == kPages + kToolstack + 3);
}

TEST_CASE("increase counts pages up to the maximum, an extent whole or not at all") {
  for (const bool wide : {true, false}) {
    TwoGuests guests;
    Reserve call{&guests, wide};
    call.list = 0;
    call.count = 2;
    CHECK(call(XENMEM_increase_reservation) == 2);
    call.count = 3;
    CHECK(call(XENMEM_increase_reservation, 2) == 3);
    call.count = 1;
    call.order = 9;
    CHECK(call(XENMEM_increase_reservation) == 0);
    call.order = 0;
    call.count = 300;
    CHECK(call(XENMEM_increase_reservation) == 256 - kToolstack - 3);
    CHECK(call(XENMEM_increase_reservation) == 0);
    CHECK(current(guests) == figure(guests, XENMEM_maximum_reservation));
  }
}

TEST_CASE("a 32-bit list is written back: where it cannot be, the call says less than it did") {
  TwoGuests guests;
  Reserve call{&guests, false, kNowhere};
  call.count = 2;
  CHECK(call(XENMEM_increase_reservation) == 0);
  CHECK(current(guests) == kPages + kToolstack + 2);
  call.wide = true;
  CHECK(call(XENMEM_increase_reservation) == 2);
  CHECK(current(guests) == kPages + kToolstack + 4);
}

TEST_CASE("a 32-bit list longer than Xen translates at a time") {
  TwoGuests guests;
  Reserve call{&guests, false};
  call.count = 1100;
  CHECK(call(XENMEM_increase_reservation) == 256 - kToolstack);
  guests.poke(kA, kList + 1029 * 4, uint32_t{20});
  call.count = 1030;
  CHECK(call(XENMEM_decrease_reservation, 1029) == 1030);
}

TEST_CASE("claims are the host-kernel domain's, and known to 64-bit callers alone") {
  TwoGuests guests({}, 1024, TwoGuests::Host::kA);
  Reserve call{&guests};
  call.list = 0;
  call.domid = TwoGuests::kB.v;
  call.count = TwoGuests::kPages + 256;
  CHECK(call(24) == 0);
  CHECK(call(24) == -XEN_EINVAL);
  call.count = 0;
  CHECK(call(24) == 0);
  call.count = TwoGuests::kPages + 257;
  CHECK(call(24) == -XEN_EINVAL);
  call.domid = DOMID_SELF;
  CHECK(call(24) == -XEN_EINVAL);
  call.domid = 99;
  CHECK(call(24) == -XEN_EINVAL);
  CHECK(call(24, 1) == -XEN_EINVAL);
  call.order = 1;
  CHECK(call(24) == -XEN_EINVAL);
  TwoGuests plain;
  const Reserve denied{&plain, true, 0, 0, 0, 0, kA.v};
  CHECK(denied(24) == -XEN_EPERM);
  const Reserve narrow{&plain, false, 0, 0, 0, 0, kA.v};
  CHECK(narrow(24) == -XEN_ENOSYS);
}

TEST_CASE("KVM with QEMU has none of it") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  const Reserve call{&guests};
  for (uint64_t op = 0; op < 40; ++op) {
    CAPTURE(op);
    if (op != XENMEM_add_to_physmap && op != XENMEM_add_to_physmap_batch) CHECK(call(op) == -XEN_ENOSYS);
  }
  CHECK(call(XENMEM_add_to_physmap, 1) == -XEN_ENOSYS);
}

}  // namespace
}  // namespace xensim
