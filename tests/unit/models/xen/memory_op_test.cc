// XENMEM_*: what lies where afterwards, and the errors as the oracle gave them.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr uint64_t kSharedInfoFrame = FakePlatform::kRam >> kPageShift;  // the first page the core asks for

xen::Flavour kvm() { return *xen::flavour_by_name("kvm"); }

int64_t memory_op(TwoGuests& guests, uint64_t op, uint64_t at = TwoGuests::kArgument) {
  return guests.call(kA, __HYPERVISOR_memory_op, {op, at});
}

TEST_CASE("shared_info goes where it is put, and leaves a hole where it was") {
  TwoGuests guests;
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 1, 9) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, 9) == 0);
  CHECK(guests.mapping(kA, 9) == Mfn{kSharedInfoFrame});
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, 9) == 0);
  CHECK(guests.mapping(kA, 9) == Mfn{kSharedInfoFrame});
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, 0x60000) == 0);
  CHECK_FALSE(guests.mapping(kA, 9));
  CHECK(guests.call(kA, __HYPERVISOR_xen_version, {XENVER_get_features, 9 * kPageSize}) == -XEN_EFAULT);
}

TEST_CASE("gfns that do not exist, and spaces that are not a guest's") {
  TwoGuests guests;
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, ~uint64_t{0}) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, uint64_t{1} << 36) == -XEN_ENOENT);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, uint64_t{1} << 28) == 0);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn, 0x61000, 9) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn_range, 0, 9) == 0);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn_foreign, 0, 9) == -XEN_ENOSYS);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_dev_mmio, 0, 9) == -XEN_EACCES);
  CHECK(guests.add_to_physmap(kA, 6, 0, 9) == -XEN_EINVAL);
}

TEST_CASE("grant frames: the table grows on demand, status frames there are none") {
  TwoGuests guests;
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, 9) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 64, 9) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 2, 9) == 0);
  CHECK(guests.mapping(kA, 9));
}

TEST_CASE("a range moves page by page, and stops at the first that is not there") {
  for (const bool wide : {true, false}) {
    TwoGuests guests;
    guests.mode64 = wide;
    const auto range = [&](auto op, uint16_t size, uint64_t idx, uint64_t gfn, uint64_t start) {
      op.domid = DOMID_SELF;
      op.size = size;
      op.space = XENMAPSPACE_gmfn_range;
      op.idx = static_cast<decltype(op.idx)>(idx);
      op.gpfn = static_cast<decltype(op.gpfn)>(gfn);
      return guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap | start << 6, op);
    };
    const auto move = [&](uint16_t size, uint64_t idx, uint64_t gfn, uint64_t start = 0) {
      return wide ? range(xen_add_to_physmap{}, size, idx, gfn, start)
                  : range(xen::abi32::xen_add_to_physmap{}, size, idx, gfn, start);
    };
    CHECK(move(2, 7, 0x9000) == 0);
    CHECK(guests.mapping(kA, 0x9001) == Mfn{8});
    CHECK(move(3, 6, 0x9010) == -XEN_EINVAL);
    CHECK(guests.mapping(kA, 0x9010) == Mfn{6});
    CHECK(move(3, 20, 0x9020, 1) == 0);
    CHECK_FALSE(guests.mapping(kA, 0x9020));
    CHECK(guests.mapping(kA, 0x9022) == Mfn{22});
    CHECK(move(3, 20, 0x9020, 3) == 0);
    CHECK(move(3, 20, 0x9020, 4) == -XEN_EILSEQ);
    CHECK(move(3, 20, 0x9020, 0x10000) == -XEN_EDOM);
    CHECK(move(9, ~uint64_t{3}, 0x9000) == (wide ? -XEN_EOVERFLOW : -XEN_EINVAL));
    CHECK(move(9, 30, ~uint64_t{3}) == (wide ? -XEN_EOVERFLOW : 0));
  }
}

TEST_CASE("a page moves with XENMAPSPACE_gmfn") {
  TwoGuests guests;
  guests.poke(kA, 7 * kPageSize, uint64_t{42});
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn, 7, 0x50000) == 0);
  CHECK(guests.mapping(kA, 0x50000) == Mfn{7});
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn, 7, 0x50000) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn, 0x50000, 7) == 0);
  CHECK(guests.mapping(kA, 7) == Mfn{7});
  CHECK_FALSE(guests.mapping(kA, 0x50000));
}

TEST_CASE("a batch reports each entry's error") {
  TwoGuests guests;
  xen_add_to_physmap_batch op{};
  op.domid = DOMID_SELF;
  op.space = XENMAPSPACE_shared_info;
  op.size = 2;
  op.idxs.p = reinterpret_cast<xen_ulong_t*>(uintptr_t{0x2000});
  op.gpfns.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{0x2100});
  op.errs.p = reinterpret_cast<int*>(uintptr_t{0x2200});
  guests.poke(kA, 0x2000, std::array<uint64_t, 2>{0, 1});
  guests.poke(kA, 0x2100, std::array<uint64_t, 2>{9, 10});
  const auto batch = [&] { return guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, op); };
  CHECK(batch() == 0);
  CHECK(guests.peek<int32_t>(kA, 0x2200) == 0);
  CHECK(guests.peek<int32_t>(kA, 0x2204) == -XEN_EINVAL);
  op.space = XENMAPSPACE_gmfn_range;
  CHECK(batch() == -XEN_EOPNOTSUPP);
  op.space = XENMAPSPACE_gmfn_foreign;
  for (const uint16_t owner : {uint16_t{DOMID_SELF}, uint16_t{0}, uint16_t{99}, TwoGuests::kB.v}) {
    op.u.foreign_domid = owner;
    CHECK(batch() == 0);
    CHECK(guests.peek<int32_t>(kA, 0x2200) == -XEN_EPERM);
  }
  op.space = XENMAPSPACE_dev_mmio;
  op.size = 0;
  CHECK(batch() == -XEN_EACCES);
  op.domid = 0;
  CHECK(batch() == -XEN_EACCES);
  op.domid = 99;
  CHECK(batch() == -XEN_ESRCH);
}

TEST_CASE("remove_from_physmap leaves a hole, once") {
  TwoGuests guests;
  xen_remove_from_physmap op{};
  op.domid = DOMID_SELF;
  op.gpfn = 9;
  const auto remove = [&] { return guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, op); };
  CHECK(remove() == 0);
  CHECK(remove() == -XEN_ENOENT);
  op.domid = 0;
  CHECK(remove() == -XEN_EACCES);
  op.domid = 99;
  CHECK(remove() == -XEN_ESRCH);
  op.domid = TwoGuests::kB.v;
  CHECK(remove() == -XEN_EPERM);
}

TEST_CASE("under KVM an overlay covers what is there, which shows again when it goes") {
  TwoGuests guests(kvm());
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, 9) == 0);
  CHECK(guests.mapping(kA, 9) == Mfn{kSharedInfoFrame});
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, 0x60000) == 0);
  CHECK(guests.mapping(kA, 9) == Mfn{9});
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 0, 0x60000) == 0);
  CHECK(guests.mapping(kA, 0x60000) != Mfn{kSharedInfoFrame});
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_grant_table, 0, 0x60001) == 0);
  CHECK(guests.mapping(kA, 0x60000) == Mfn{kSharedInfoFrame});  // it was underneath
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 0, 9) == 0);
  CHECK_FALSE(guests.mapping(kA, 0x60000));
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn, 7, 9) == -XEN_EOPNOTSUPP);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn_range, 7, 9) == -XEN_EOPNOTSUPP);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_gmfn_foreign, 7, 9) == -XEN_EPERM);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_dev_mmio, 7, 9) == -XEN_EPERM);
  CHECK(guests.add_to_physmap(kA, 6, 0, 9) == -XEN_EINVAL);
  CHECK(guests.add_to_physmap(kA, XENMAPSPACE_shared_info, 1, 9) == -XEN_EINVAL);
  CHECK(memory_op(guests, XENMEM_add_to_physmap, TwoGuests::kRam + 0x1000) ==
        -XEN_ESRCH);  // domain 0, read from a hole
}

TEST_CASE("a batch under KVM") {
  TwoGuests guests(kvm());
  for (const bool wide : {true, false}) {
    guests.mode64 = wide;
    guests.poke(kA, 0x2000, std::array<uint64_t, 2>{});
    const auto batch = [&](auto op, uint16_t space, uint16_t domid) {
      op.domid = domid;
      op.space = space;
      op.size = 1;
      op.idxs.p = decltype(op.idxs.p)(uintptr_t{0x2000});
      op.gpfns.p = decltype(op.gpfns.p)(uintptr_t{0x2008});
      op.errs.p = decltype(op.errs.p)(uintptr_t{0x2100});
      const int64_t result = guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, op);
      return result != 0 ? result : guests.peek<int32_t>(kA, 0x2100);
    };
    const auto call = [&](uint16_t space, uint16_t domid = DOMID_SELF) {
      return wide ? batch(xen_add_to_physmap_batch{}, space, domid)
                  : batch(xen::abi32::xen_add_to_physmap_batch{}, space, domid);
    };
    CHECK(call(XENMAPSPACE_shared_info) == 0);
    CHECK(call(XENMAPSPACE_gmfn) == -XEN_EOPNOTSUPP);
    CHECK(call(XENMAPSPACE_gmfn_range) == -XEN_EINVAL);
    CHECK(call(XENMAPSPACE_gmfn_foreign) == -XEN_EPERM);
    CHECK(call(XENMAPSPACE_shared_info, 99) == -XEN_ESRCH);
  }
}

TEST_CASE("a 32-bit batch is translated before any of it is done") {
  TwoGuests guests;
  guests.mode64 = false;
  xen::abi32::xen_add_to_physmap_batch op{};
  op.domid = DOMID_SELF;
  op.space = XENMAPSPACE_gmfn;
  op.size = 2;
  op.idxs.p = 0x2000;
  op.gpfns.p = static_cast<uint32_t>(TwoGuests::kRam) - 4;  // the second lies where no memory is
  op.errs.p = 0x2100;
  guests.poke(kA, 0x2000, uint32_t{7});
  guests.poke(kA, TwoGuests::kRam - 4, uint32_t{0x9000});
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, op) == -XEN_EFAULT);
  CHECK_FALSE(guests.mapping(kA, 0x9000));
  op.size = 1;
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, op) == 0);
  CHECK(guests.mapping(kA, 0x9000) == Mfn{7});
}

TEST_CASE("the memory map is the domain's own to set") {
  TwoGuests guests;
  xen_memory_map map{};
  map.nr_entries = 10;
  map.buffer.p = reinterpret_cast<void*>(uintptr_t{0x2000});
  const auto get = [&] { return guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_memory_map, map); };
  CHECK(get() == 0);
  CHECK(map.nr_entries == 5);  // RAM, special pages, three of ACPI
  CHECK(guests.peek<uint64_t>(kA, 0x2008) == TwoGuests::kRam);
  CHECK(guests.peek<uint32_t>(kA, 0x2010) == 1);
  CHECK(guests.peek<uint64_t>(kA, 0x2014) == 0xfeff8000);
  map.nr_entries = 1;
  CHECK(get() == 0);
  CHECK(map.nr_entries == 1);
  map.buffer.p = reinterpret_cast<void*>(uintptr_t{1} << 38);
  CHECK(get() == -XEN_EFAULT);
  xen_foreign_memory_map set{};
  const auto call_set = [&] { return guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_set_memory_map, set); };
  set.domid = DOMID_SELF;
  set.map.nr_entries = 1025;
  CHECK(call_set() == -XEN_EINVAL);
  set.map.nr_entries = 2;
  set.map.buffer.p = reinterpret_cast<void*>(uintptr_t{1} << 38);
  CHECK(call_set() == -XEN_EFAULT);
  set.domid = 0;
  CHECK(call_set() == -XEN_EPERM);
  set.domid = 99;
  CHECK(call_set() == -XEN_ESRCH);
  set.domid = DOMID_SELF;
  set.map.nr_entries = 0;
  CHECK(call_set() == 0);
  CHECK(get() == -XEN_ENOSYS);
}

TEST_CASE("the rest, with a full argument of zeroes for DOMID_SELF, as measured on Xen 4.17.7") {
  struct Expected {
    uint64_t op;
    int64_t with_self, at_bad_address;
  };
  constexpr Expected kExpected[] = {{8, -XEN_ENOSYS, -XEN_ENOSYS},
                                    {10, -XEN_ENOSYS, -XEN_ENOSYS},
                                    {12, -XEN_ENOSYS, -XEN_ENOSYS},
                                    {16, -XEN_EINVAL, -XEN_EFAULT},
                                    {17, -XEN_EINVAL, -XEN_EFAULT},
                                    {18, 0, 0},
                                    {19, 0, 0},
                                    {20, -XEN_ENOSYS, -XEN_ENOSYS},
                                    {21, -XEN_EINVAL, -XEN_EFAULT},
                                    {22, -XEN_ENOSYS, -XEN_ENOSYS},
                                    {24, -XEN_EINVAL, -XEN_EFAULT},
                                    {25, -XEN_EOPNOTSUPP, -XEN_EOPNOTSUPP},
                                    {26, -XEN_EOPNOTSUPP, -XEN_EFAULT},
                                    {27, -XEN_EINVAL, -XEN_EFAULT},
                                    {28, -XEN_EACCES, -XEN_EACCES},
                                    {29, -XEN_ENOSYS, -XEN_ENOSYS},
                                    {63, -XEN_ENOSYS, -XEN_ENOSYS}};
  TwoGuests guests;
  for (const Expected& each : kExpected) {
    CAPTURE(each.op);
    guests.poke(kA, TwoGuests::kArgument, std::array<std::byte, 256>{});
    guests.poke(kA, TwoGuests::kArgument, uint16_t{DOMID_SELF});
    CHECK(memory_op(guests, each.op) == each.with_self);
    CHECK(memory_op(guests, each.op, uint64_t{1} << 38) == each.at_bad_address);
  }
}

TEST_CASE("a call that says where to go on, as measured on Xen 4.17.7") {
  TwoGuests guests;
  const std::array<int64_t, 29> expected = {
      1,           1,           -XEN_EINVAL, -XEN_EINVAL, -XEN_EINVAL, -XEN_ENOSYS, 1,           0,
      -XEN_ENOSYS, -XEN_ENOSYS, -XEN_ENOSYS, -XEN_EINVAL, -XEN_ENOSYS, -XEN_ENOSYS, -XEN_EINVAL, -XEN_EINVAL,
      -XEN_ENOSYS, -XEN_ENOSYS, -XEN_ENOSYS, -XEN_ENOSYS, -XEN_ENOSYS, -XEN_EINVAL, -XEN_ENOSYS, -XEN_EILSEQ,
      -XEN_EINVAL, -XEN_ENOSYS, -XEN_EINVAL, -XEN_EINVAL, -XEN_EACCES};
  for (uint64_t op = 0; op < expected.size(); ++op) {
    CAPTURE(op);
    guests.poke(kA, TwoGuests::kArgument, std::array<std::byte, 256>{});
    guests.poke(kA, TwoGuests::kArgument, uint16_t{DOMID_SELF});
    CHECK(memory_op(guests, op | 1 << 6) == expected[op]);
  }
}

TEST_CASE("the 32-bit layout of add_to_physmap") {
  TwoGuests guests;
  guests.mode64 = false;
  xen::abi32::xen_add_to_physmap op{};
  op.domid = DOMID_SELF;
  op.space = XENMAPSPACE_shared_info;
  op.gpfn = 9;
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, op) == 0);
  CHECK(guests.mapping(kA, 9) == Mfn{kSharedInfoFrame});
  op.gpfn = 0xffffffff;  // not what INVALID_GFN is in 64 bits
  CHECK(guests.call_with(kA, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, op) == 0);
  CHECK(guests.mapping(kA, 0xffffffff) == Mfn{kSharedInfoFrame});
}

}  // namespace
}  // namespace xensim
