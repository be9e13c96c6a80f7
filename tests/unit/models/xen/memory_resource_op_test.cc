// Other domains' memory in the host-kernel domain's: XENMAPSPACE_gmfn_foreign and XENMEM_acquire_resource; and what a
// guest is refused of these and of the toolstack's sub-ops.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA, kB = TwoGuests::kB;
constexpr uint64_t kAt = TwoGuests::kArgument;
constexpr uint64_t kNowhere = TwoGuests::kRam + 0x10000;

// Maps page `from` of `owner` at gfn `at` of A; the entry's error, or the call's.
int64_t map_foreign(TwoGuests& guests, uint16_t owner, uint64_t from, uint64_t at) {
  xen_add_to_physmap_batch op{};
  op.domid = DOMID_SELF;
  op.space = XENMAPSPACE_gmfn_foreign;
  op.size = 1;
  op.u.foreign_domid = owner;
  op.idxs.p = reinterpret_cast<xen_ulong_t*>(uintptr_t{0x2000});
  op.gpfns.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{0x2100});
  op.errs.p = reinterpret_cast<int*>(uintptr_t{0x2200});
  guests.poke(kA, 0x2000, from);
  guests.poke(kA, 0x2100, at);
  const int64_t result = guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, op);
  return result != 0 ? result : guests.peek<int32_t>(kA, 0x2200);
}
int64_t unmap(TwoGuests& guests, uint64_t gfn) {
  xen_remove_from_physmap op{};
  op.domid = DOMID_SELF;
  op.gpfn = gfn;
  return guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, op);
}

TEST_CASE("a foreign page is seen where it was mapped, until it is unmapped") {
  TwoGuests guests({}, 1024, TwoGuests::Host::kA);
  CHECK(map_foreign(guests, kB.v, 7, 0x9000) == 0);
  CHECK(guests.mapping(kA, 0x9000) == Mfn{TwoGuests::kPages + 7});
  CHECK(map_foreign(guests, kB.v, 8, 0x9000) == -XEN_ENXIO);
  CHECK(map_foreign(guests, kB.v, 0x9000, 0x9001) == -XEN_EINVAL);
  CHECK(map_foreign(guests, 99, 7, 0x9001) == -XEN_ESRCH);
  CHECK(map_foreign(guests, kA.v, 7, 0x9001) == -XEN_EPERM);
  CHECK(map_foreign(guests, DOMID_SELF, 7, 0x9001) == -XEN_ESRCH);
  CHECK(unmap(guests, 0x9000) == 0);
  CHECK_FALSE(guests.mapping(kA, 0x9000));
  CHECK(unmap(guests, 0x9000) == -XEN_ENOENT);
  CHECK(guests.broken().empty());
}

TEST_CASE("a page that is mapped elsewhere is not given out again") {
  TwoGuests guests({}, 1024, TwoGuests::Host::kA);
  CHECK(map_foreign(guests, kB.v, 7, 0x9000) == 0);
  xen_memory_reservation op{};
  op.extent_start.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{0x2000});
  op.nr_extents = 1;
  op.domid = DOMID_SELF;
  guests.poke(kB, 0x2000, uint64_t{7});
  CHECK(guests.call_with(kB, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, op) == 1);
  CHECK(guests.call_with(kB, __HYPERVISOR_memory_op, XENMEM_populate_physmap, op) == 1);
  CHECK(guests.mapping(kB, 7) != Mfn{TwoGuests::kPages + 7});
  CHECK(unmap(guests, 0x9000) == 0);
}

int64_t acquire(TwoGuests& guests, xen_mem_acquire_resource& op) {
  return guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_acquire_resource, op);
}

TEST_CASE("the grant table of another domain is a resource") {
  TwoGuests guests({}, 1024, TwoGuests::Host::kA);
  xen_mem_acquire_resource op{};
  op.domid = kB.v;
  op.type = XENMEM_resource_grant_table;
  CHECK(acquire(guests, op) == 0);
  CHECK(op.nr_frames == 64);
  op.frame_list.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{0x2000});
  op.nr_frames = 2;
  guests.poke(kA, 0x2000, std::array<uint64_t, 2>{0x9000, 0x9001});
  CHECK(acquire(guests, op) == 0);
  CHECK(guests.mapping(kA, 0x9000) == Mfn{guests.grant_frame(kB) >> kPageShift});
  CHECK(guests.mapping(kA, 0x9001));
  op.frame = 2;
  CHECK(acquire(guests, op) == -XEN_ENXIO);  // something foreign is in the way
  guests.poke(kA, 0x2000, std::array<uint64_t, 2>{0x9002, 0x9001});
  CHECK(acquire(guests, op) == -XEN_EIO);  // at the second
  op.frame = 64;
  CHECK(acquire(guests, op) == -XEN_EINVAL);
  op.frame = uint64_t{1} << 32;
  CHECK(acquire(guests, op) == -XEN_EINVAL);
  op.frame = 0;
  op.pad = 1;
  CHECK(acquire(guests, op) == -XEN_EINVAL);
  op.pad = 0;
  op.type = XENMEM_resource_ioreq_server;
  CHECK(acquire(guests, op) == -XEN_ENOENT);
  op.type = 2;
  CHECK(acquire(guests, op) == -XEN_EINVAL);
  op.domid = 99;
  CHECK(acquire(guests, op) == -XEN_ESRCH);
  op.domid = kA.v;
  CHECK(acquire(guests, op) == -XEN_EPERM);
}

TEST_CASE("a guest has no resources, and finds that out sooner in 64-bit mode") {
  TwoGuests guests;
  CHECK(guests.call(kA, __HYPERVISOR_memory_op, {XENMEM_acquire_resource, kNowhere}) == -XEN_EACCES);
  guests.mode64 = false;
  CHECK(guests.call(kA, __HYPERVISOR_memory_op, {XENMEM_acquire_resource, kNowhere}) == -XEN_EFAULT);
  guests.poke(kA, kAt, std::array<std::byte, 64>{});
  CHECK(guests.call(kA, __HYPERVISOR_memory_op, {XENMEM_acquire_resource, kAt}) == -XEN_EACCES);
}

TEST_CASE("the toolstack's sub-ops, by domain") {
  TwoGuests guests;
  const auto with_domid = [&](uint64_t op, unsigned at, uint16_t domid) {
    guests.poke(kA, kAt, std::array<std::byte, 64>{});
    guests.poke(kA, kAt + at, domid);
    return guests.call(kA, __HYPERVISOR_memory_op, {op, kAt});
  };
  for (const bool wide : {true, false}) {
    guests.mode64 = wide;
    for (const uint64_t op : {16u, 17u}) {
      CHECK(with_domid(op, 32, DOMID_SELF) == -XEN_EPERM);
      CHECK(with_domid(op, 32, kB.v) == -XEN_EPERM);
      CHECK(with_domid(op, 32, 0) == -XEN_EINVAL);
      CHECK(with_domid(op, 32, 99) == -XEN_ESRCH);
    }
    CHECK(with_domid(21, 2, DOMID_SELF) == -XEN_ESRCH);
    CHECK(with_domid(21, 2, kA.v) == -XEN_EPERM);
    CHECK(with_domid(21, 2, 0) == -XEN_EINVAL);
    CHECK(with_domid(21, 2, 99) == -XEN_ESRCH);
    CHECK(with_domid(26, 0, DOMID_SELF) == -XEN_EOPNOTSUPP);
    CHECK(with_domid(26, 0, 0) == -XEN_EPERM);
    CHECK(with_domid(26, 0, 99) == -XEN_ESRCH);
    CHECK(with_domid(26, 2, 1) == -XEN_EINVAL);  // padding
    CHECK(with_domid(27, 0, 1) == 0);
    CHECK(with_domid(27, 0, 2) == -XEN_EINVAL);
    CHECK(with_domid(XENMEM_machphys_compat_mfn_list, 0, 0) == -XEN_EOPNOTSUPP);
  }
  CHECK(with_domid(XENMEM_machphys_mfn_list, 0, 0) == -XEN_EOPNOTSUPP);
  guests.mode64 = true;
  xen_machphys_mfn_list list{};
  list.max_extents = 9;
  list.extent_start.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{0x2000});
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, list) == 0);
  CHECK(list.nr_extents == 4);
  CHECK(guests.peek<uint64_t>(kA, 0x2000) != 0);
  list.extent_start.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{1} << 38);
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, list) == -XEN_EFAULT);
}

TEST_CASE("populate-on-demand targets of the host-kernel domain") {
  TwoGuests guests({}, 1024, TwoGuests::Host::kA);
  struct {
    uint64_t target, total, cache, entries;
    uint16_t domid;
  } op{};
  op.domid = kB.v;
  op.cache = 5;
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, 17, op) == 0);
  CHECK(op.total == TwoGuests::kPages + 17);
  CHECK(op.cache == 0);
  op.target = op.total + 1000;
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, 16, op) == -XEN_EINVAL);
}

}  // namespace
}  // namespace xensim
