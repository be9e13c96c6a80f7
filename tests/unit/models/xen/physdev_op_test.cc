// PHYSDEVOPs: PIRQs of a type=hvm domain as Xen 4.17.7 has them, and as QEMU has them for every guest.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr uint64_t kAt = TwoGuests::kArgument;

struct Caller {
  TwoGuests& guests;

  void via(uint64_t value) const {
    xen_hvm_param param{};
    param.domid = DOMID_SELF;
    param.value = value;
    CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_set_param, param) == 0);
  }
  int64_t map(int32_t index, int32_t& pirq, int32_t type = MAP_PIRQ_TYPE_GSI, uint16_t domid = DOMID_SELF) const {
    physdev_map_pirq op{};
    op.domid = domid;
    op.type = type;
    op.index = index;
    op.pirq = pirq;
    const int64_t result = guests.call_with(kA, __HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, op);
    pirq = op.pirq;
    return result;
  }
  int64_t map_at(int32_t index, int32_t pirq) const { return map(index, pirq); }
  int64_t unmap(int32_t pirq, uint16_t domid = DOMID_SELF) const {
    physdev_unmap_pirq op{};
    op.domid = domid;
    op.pirq = pirq;
    return guests.call_with(kA, __HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, op);
  }
  int64_t status(uint32_t pirq) const {
    physdev_irq_status_query op{};
    op.irq = pirq;
    const int64_t result = guests.call_with(kA, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, op);
    return result != 0 ? result : op.flags;
  }
  int64_t eoi(uint32_t pirq) const {
    physdev_eoi op{};
    op.irq = pirq;
    return guests.call_with(kA, __HYPERVISOR_physdev_op, PHYSDEVOP_eoi, op);
  }
  int64_t free_pirq(int32_t type) const {
    physdev_get_free_pirq op{};
    op.type = type;
    const int64_t result = guests.call_with(kA, __HYPERVISOR_physdev_op, PHYSDEVOP_get_free_pirq, op);
    return result != 0 ? result : op.pirq;
  }
};

constexpr uint64_t kVectorVia = uint64_t{2} << 56 | 0xf3;

TEST_CASE("PIRQs of a type=hvm domain") {
  for (const bool wide : {true, false}) {
    TwoGuests guests({}, 1024, TwoGuests::Host::kNone, true);
    guests.mode64 = wide;
    const Caller call{guests};
    int32_t pirq = -1;
    CHECK(call.map(9, pirq) == -XEN_EINVAL);  // the callback is no vector
    call.via(kVectorVia);
    for (const int32_t type : {0, 2, 4, 99}) CHECK(call.map(9, pirq, type) == -XEN_EINVAL);
    for (const int32_t gsi : {-1, 48, 63}) CHECK(call.map(gsi, pirq) == -XEN_EINVAL);
    CHECK(call.map(9, pirq) == 0);
    CHECK(pirq == 16);
    pirq = -1;
    CHECK(call.map(9, pirq) == 0);
    CHECK(pirq == 17);  // found, not mapped
    CHECK(call.status(17) == -XEN_EINVAL);
    CHECK(call.eoi(17) == 0);
    CHECK(call.map_at(10, 20) == 0);
    CHECK(call.map_at(11, 20) == 0);  // and nothing changes
    CHECK(call.map_at(12, 56) == -XEN_EINVAL);
    CHECK(call.map(13, pirq, MAP_PIRQ_TYPE_GSI, 0) == -XEN_EPERM);
    CHECK(call.map(13, pirq, MAP_PIRQ_TYPE_GSI, 99) == -XEN_ESRCH);
    CHECK(call.status(20) == XENIRQSTAT_needs_eoi);
    CHECK(call.eoi(20) == 0);
    for (const uint32_t bad : {0u, 30u, 56u, ~0u}) {
      CHECK(call.status(bad) == -XEN_EINVAL);
      CHECK(call.eoi(bad) == -XEN_EINVAL);
    }
    for (const int32_t any : {20, 20, -1, 9999}) CHECK(call.unmap(any) == 0);
    CHECK(call.status(20) == -XEN_EINVAL);
    CHECK(call.unmap(16, 0) == -XEN_EPERM);
    CHECK(call.unmap(16, 99) == -XEN_ESRCH);
    CHECK(call.free_pirq(0) == 55);
    CHECK(call.free_pirq(1) == 17);
    CHECK(call.free_pirq(99) == 54);
    CHECK(guests.call(kA, __HYPERVISOR_physdev_op, {PHYSDEVOP_map_pirq, TwoGuests::kRam + 0x1000}) == -XEN_EFAULT);
    for (const uint64_t op : {0u, 4u, 6u, 11u, 15u, 17u, 22u, 24u, 28u}) {
      CHECK(guests.call(kA, __HYPERVISOR_physdev_op, {op, kAt}) == -XEN_ENOSYS);
    }
  }
}

TEST_CASE("no PIRQ is left") {
  TwoGuests guests({}, 1024, TwoGuests::Host::kNone, true);
  const Caller call{guests};
  for (int64_t i = 55; i >= 24; --i) CHECK(call.free_pirq(0) == i);
  CHECK(call.free_pirq(0) == -XEN_ENOSPC);
  for (int64_t i = 16; i < 24; ++i) CHECK(call.free_pirq(1) == i);
  CHECK(call.free_pirq(1) == -XEN_ENOSPC);
}

TEST_CASE("PIRQs under KVM with QEMU") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  const Caller call{guests};
  int32_t pirq = -1;
  CHECK(call.map(9, pirq) == 0);
  CHECK(pirq == 16);
  pirq = -1;
  CHECK(call.map(9, pirq) == 0);
  CHECK(pirq == 17);
  for (const int32_t type : {0, 2, 4, 99}) CHECK(call.map(9, pirq, type) == -XEN_EINVAL);
  for (const int32_t gsi : {-1, 24, 63}) CHECK(call.map_at(gsi, -1) == -XEN_EINVAL);
  CHECK(call.map_at(10, 20) == 0);
  CHECK(call.map_at(11, 20) == -XEN_EBUSY);
  CHECK(call.map_at(12, 9999) == -XEN_EINVAL);
  CHECK(call.map(13, pirq, MAP_PIRQ_TYPE_GSI, 99) == -XEN_EPERM);
  CHECK(call.status(20) == XENIRQSTAT_needs_eoi);
  CHECK(call.eoi(20) == 0);
  for (const uint32_t bad : {0u, 30u, 9999u, ~0u}) {
    CHECK(call.status(bad) == -XEN_ENOENT);
    CHECK(call.eoi(bad) == -XEN_ENOENT);
  }
  CHECK(call.unmap(20) == 0);
  CHECK(call.unmap(20) == -XEN_ENOENT);
  CHECK(call.unmap(-1) == -XEN_EINVAL);
  CHECK(call.unmap(9999) == -XEN_EINVAL);
  CHECK(call.unmap(16, 99) == -XEN_EPERM);
  CHECK(call.free_pirq(0) == 255);
  CHECK(call.free_pirq(1) == 18);
}

TEST_CASE("a 32-bit map_pirq that cannot be read: under KVM it gives what user space answered before") {
  constexpr uint64_t kBad = 0xf0000000, kPagesize = XENVER_pagesize;
  for (const char* flavour : {"xen", "kvm"}) {
    for (const bool wide : {true, false}) {
      TwoGuests guests(*xen::flavour_by_name(flavour), 1024, TwoGuests::Host::kNone, true);
      guests.mode64 = wide;
      const bool stale = flavour == std::string("kvm") && !wide;
      const auto map_bad = [&] { return guests.call(kA, __HYPERVISOR_physdev_op, {PHYSDEVOP_map_pirq, kBad}); };
      CHECK(guests.call(kA, __HYPERVISOR_physdev_op, {99, 0}) == -XEN_ENOSYS);
      CHECK(map_bad() == (stale ? -XEN_ENOSYS : -XEN_EFAULT));
      const int64_t port = Caller{guests}.status(77);  // -ENOENT under KVM, -EINVAL under Xen
      CHECK(map_bad() == (stale ? port : -XEN_EFAULT));
      // The kernel's own answers are none of user space's.
      CHECK(guests.call(kA, __HYPERVISOR_xen_version, {XENVER_version, 0}) == 262161);
      CHECK(guests.call(kA, __HYPERVISOR_sched_op, {SCHEDOP_yield, 0}) == 0);
      CHECK(map_bad() == (stale ? port : -XEN_EFAULT));
      guests.call(kA, __HYPERVISOR_xen_version, {kPagesize, 0});
      CHECK(map_bad() == (stale ? -XEN_ENOSYS : -XEN_EFAULT));
    }
  }
}

}  // namespace
}  // namespace xensim
