// What Xen itself changed after 4.17 (preset xen-4.20): areas registered by their guest-physical address, a vcpu_info
// registered twice, long version calls. The real Xen's answers: probe later.
#include <doctest/doctest.h>

#include "models/xen/physical_areas.h"
#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

constexpr uint64_t kArea = 0x4000;
constexpr uint64_t kNowhere = ~uint64_t{0};
constexpr uint32_t kRunstate = xen::kRegisterRunstatePhysArea;
constexpr uint32_t kTime = xen::kRegisterVcpuTimePhysArea;

class LaterGuest : public Guest {
 public:
  LaterGuest() : Guest(2, *xen::flavour_by_name("xen-4.20")) {}

  // By vCPU 0, for vCPU `number`.
  int64_t place(uint32_t op, uint64_t gpa, uint32_t number = 0) { return vcpu_op(op, number, gpa); }
  // Runs vCPU 0 after a while, so that what it is shown is shown anew.
  void run_on() {
    platform.time = VirtualNs{platform.time.v + 5'000'000'000};
    core.api->halt(vcpu(0), true);
    core.api->wake(vcpu(0), false);
    core.api->before_run(vcpu(0));
  }
  uint64_t entered() { return platform.peek_as<uint64_t>(kArea + 8); }
};

TEST_CASE("Xen 4.17 has no areas by guest-physical address") {
  Guest guest;
  for (const uint32_t op : {kRunstate, kTime}) {
    CHECK(guest.vcpu_op(op, 0, kArea) == -XEN_ENOSYS);
    CHECK(guest.vcpu_op(op, 77, kArea) == -XEN_ENOENT);
  }
}

TEST_CASE("places that an area cannot have") {
  LaterGuest guest;
  for (const uint32_t op : {kRunstate, kTime}) {
    CAPTURE(op);
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {op, 0, Guest::kBadAddress}) == -XEN_EFAULT);
    CHECK(guest.place(op, kArea, 77) == -XEN_ENOENT);
    CHECK(guest.place(op, kArea + 1) == -XEN_ENXIO);
    CHECK(guest.place(op, kArea + 4) == -XEN_ENXIO);
    CHECK(guest.place(op, kArea + kPageSize - 8) == -XEN_ENXIO);
    CHECK(guest.place(op, uint64_t{0xfff00} << kPageShift) == -XEN_EINVAL);
    CHECK(guest.place(op, uint64_t{1} << 52) == -XEN_EINVAL);
  }
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("a runstate area follows its vCPU until it is taken back") {
  LaterGuest guest;
  CHECK(guest.place(kRunstate, kArea) == 0);
  CHECK(guest.platform.peek_as<int32_t>(kArea) == RUNSTATE_runnable);  // as the platform has not said that it runs
  guest.run_on();
  const uint64_t before = guest.entered();
  CHECK(before != 0);
  CHECK(guest.place(kRunstate, kNowhere) == 0);
  guest.run_on();
  CHECK(guest.entered() == before);
  CHECK(guest.place(kRunstate, kNowhere) == 0);
}

TEST_CASE("another vCPU's runstate area is left alone at first") {
  LaterGuest guest;
  guest.platform.poke<uint64_t>(kArea + 8, 0x1234);
  CHECK(guest.place(kRunstate, kArea, 1) == 0);
  CHECK(guest.entered() == 0x1234);
}

TEST_CASE("a time area is written at once, with an even version") {
  LaterGuest guest;
  CHECK(guest.place(kTime, kArea) == 0);
  auto info = guest.platform.peek_as<vcpu_time_info>(kArea);
  CHECK(info.version % 2 == 0);
  CHECK(info.tsc_to_system_mul != 0);
  CHECK(guest.place(kTime, kArea + 64) == 0);
  guest.run_on();
  CHECK(guest.platform.peek_as<vcpu_time_info>(kArea + 64).system_time > info.system_time);
  CHECK(guest.platform.peek_as<vcpu_time_info>(kArea).system_time == info.system_time);
}

TEST_CASE("a 32-bit guest's areas have 32-bit alignment and layout") {
  LaterGuest guest;
  guest.mode64 = false;
  guest.via_vector(0xf3);  // latches the layout
  CHECK(guest.place(kRunstate, kArea + 4) == 0);
  CHECK(guest.place(kRunstate, kArea) == 0);
  guest.run_on();
  CHECK(guest.platform.peek_as<uint64_t>(kArea + 4) != 0);
  CHECK(guest.place(kRunstate, kArea + kPageSize - 44) == 0);
  CHECK(guest.place(kRunstate, kArea + kPageSize - 40) == -XEN_ENXIO);
}

TEST_CASE("a page is held no longer than its domain lives") {
  LaterGuest guest;
  CHECK(guest.place(kRunstate, kArea) == 0);
  CHECK(guest.place(kTime, kArea + 64) == 0);
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_poweroff}) == 0);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("a vcpu_info registered twice: -EBUSY, before all else") {
  LaterGuest guest;
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{6, 64, 0}) == 0);
  for (const uint32_t offset : {64u, 128u, 1u, 4064u}) {
    CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{6, offset, 0}) == -XEN_EBUSY);
  }
}

TEST_CASE("long version calls") {
  LaterGuest guest;
  const auto version = [&](uint64_t op, uint64_t at) {
    return guest.call(Guest::vcpu(0), __HYPERVISOR_xen_version, {op, at});
  };
  CHECK(version(XENVER_version, 0) == (4 << 16 | 20));
  CHECK(version(11, 0) == 6);
  CHECK(version(13, 0) == 0);
  CHECK(version(14, 0) == -XEN_EPERM);
  CHECK(version(15, 0) == -XEN_ENOSYS);
  guest.platform.poke<uint32_t>(kArea, 5);
  CHECK(version(11, kArea) == -XEN_ENOBUFS);
  guest.platform.poke<uint32_t>(kArea, 6);
  CHECK(version(11, kArea) == 6);
  CHECK(guest.platform.peek_as<char>(kArea + 4) == '.');
  CHECK(guest.platform.peek_as<char>(kArea + 5) == '5');
  CHECK(version(11, Guest::kBadAddress) == -XEN_EFAULT);
  Guest older;
  for (const uint64_t op : {11u, 12u, 13u, 14u}) {
    CHECK(older.call(Guest::vcpu(0), __HYPERVISOR_xen_version, {op, 0}) == -XEN_ENOSYS);
  }
}

}  // namespace
}  // namespace xensim
