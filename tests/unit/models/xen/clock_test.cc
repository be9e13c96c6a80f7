// What a guest reads of the time: vcpu_time_info, wall clock, runstate.
#include <doctest/doctest.h>

#include "models/xen/clock.h"
#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

constexpr uint64_t kArea = 0x4000;

TEST_CASE("before_run writes the time once a second, version even and growing") {
  Guest guest;
  guest.core.api->before_run(Guest::vcpu(0));
  vcpu_time_info time = guest.shared().vcpu_info[0].time;
  CHECK(time.version == 2);
  CHECK(time.system_time == 1'000'000);
  CHECK(time.tsc_timestamp == 1'000'000);
  CHECK(time.tsc_to_system_mul == 0x80000000);
  CHECK(time.tsc_shift == 1);
  CHECK(time.flags == XEN_PVCLOCK_TSC_STABLE_BIT);
  guest.platform.time = VirtualNs{900'000'000};
  guest.core.api->before_run(Guest::vcpu(0));
  CHECK(guest.shared().vcpu_info[0].time.version == 2);
  guest.platform.time = VirtualNs{1'001'000'000};
  guest.core.api->before_run(Guest::vcpu(0));
  CHECK(guest.shared().vcpu_info[0].time.version == 4);
  CHECK(guest.shared().vcpu_info[0].time.system_time == 1'001'000'000);
}

TEST_CASE("the version is odd while the rest is written") {
  Guest guest;
  guest.platform.poke<uint32_t>(Guest::kSharedInfo + offsetof(vcpu_info, time), 7);  // a guest's own nonsense
  guest.platform.on_write = [&](xen::Site site) {
    if (site != xen::Site::kVcpuTime) return;
    CHECK(guest.shared().vcpu_info[0].time.version % 2 == 1);
  };
  guest.core.api->before_run(Guest::vcpu(0));
  CHECK(guest.shared().vcpu_info[0].time.version % 2 == 0);
}

TEST_CASE("register_vcpu_time_memory_area writes at once, and later with the first") {
  for (const bool mode64 : {true, false}) {
    Guest guest;
    guest.mode64 = mode64;
    guest.platform.poke<uint64_t>(Guest::kArgument, kArea);
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op,
                     {VCPUOP_register_vcpu_time_memory_area, 0, Guest::kArgument}) == 0);
    CHECK(guest.platform.peek_as<vcpu_time_info>(kArea).system_time == 1'000'000);
    CHECK(guest.platform.peek_as<vcpu_time_info>(kArea).version % 2 == 0);
    guest.platform.time = VirtualNs{3'000'000'000};
    guest.core.api->before_run(Guest::vcpu(0));
    CHECK(guest.platform.peek_as<vcpu_time_info>(kArea).system_time == 3'000'000'000);
  }
}

TEST_CASE("areas at addresses that are not mapped are passed over") {
  Guest guest;
  for (const uint32_t op : {VCPUOP_register_vcpu_time_memory_area, VCPUOP_register_runstate_memory_area}) {
    guest.platform.poke<uint64_t>(Guest::kArgument, Guest::kBadAddress);
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {op, 0, Guest::kArgument}) == 0);
  }
  guest.core.api->before_run(Guest::vcpu(0));
}

TEST_CASE("the wall clock stands in shared_info from the start, and moves with the latch") {
  Guest guest;
  CHECK(guest.shared().wc_version == 2);
  CHECK(guest.shared().wc_sec == 1'700'000'000);
  CHECK(guest.shared().wc_nsec == 5);
  guest.mode64 = false;
  guest.via_vector(0xf3);
  CHECK(guest.shared32().wc_version == 2);
  CHECK(guest.shared32().wc_sec == 1'700'000'000);
  CHECK(guest.shared32().wc_nsec == 5);
  CHECK(guest.shared32().arch.wc_sec_hi == 0);
}

vcpu_runstate_info runstate(Guest& guest, uint32_t number) {
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_get_runstate_info, number, kArea}) == 0);
  return guest.platform.peek_as<vcpu_runstate_info>(kArea);
}

TEST_CASE("runstate counts the time in each state") {
  Guest guest;
  guest.platform.time = VirtualNs{2'000'000};
  guest.core.api->before_run(Guest::vcpu(0));
  guest.platform.time = VirtualNs{5'000'000};
  vcpu_runstate_info info = runstate(guest, 0);
  CHECK(info.state == RUNSTATE_running);
  CHECK(info.state_entry_time == 2'000'000);
  CHECK(info.time[RUNSTATE_running] == 3'000'000);
  CHECK(info.time[RUNSTATE_runnable] == 2'000'000);
  guest.core.api->halt(Guest::vcpu(0), true);
  guest.platform.time = VirtualNs{9'000'000};
  guest.core.api->wake(Guest::vcpu(0), false);
  info = runstate(guest, 0);
  CHECK(info.state == RUNSTATE_runnable);
  CHECK(info.time[RUNSTATE_blocked] == 4'000'000);
  info = runstate(guest, 1);
  CHECK(info.state == RUNSTATE_offline);
  CHECK(info.time[RUNSTATE_offline] == 9'000'000);
}

TEST_CASE("a runstate area is written at registration and at each change") {
  Guest guest;
  guest.platform.time = VirtualNs{2'000'000};
  guest.core.api->before_run(Guest::vcpu(0));
  guest.platform.poke<uint64_t>(Guest::kArgument, kArea + 3);  // any alignment
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_register_runstate_memory_area, 0, Guest::kArgument}) ==
        0);
  CHECK(guest.platform.peek_as<vcpu_runstate_info>(kArea + 3).state == RUNSTATE_running);
  guest.platform.time = VirtualNs{4'000'000};
  guest.core.api->halt(Guest::vcpu(0), true);
  CHECK(guest.platform.peek_as<vcpu_runstate_info>(kArea + 3).state == RUNSTATE_blocked);
  guest.core.api->wake(Guest::vcpu(0), false);
  guest.core.api->before_run(Guest::vcpu(0));
  CHECK(guest.platform.peek_as<vcpu_runstate_info>(kArea + 3).state == RUNSTATE_running);
  CHECK(guest.platform.peek_as<vcpu_runstate_info>(kArea + 3).time[RUNSTATE_running] == 2'000'000);
}

TEST_CASE("32-bit runstate is 44 bytes") {
  Guest guest;
  guest.mode64 = false;
  guest.via_vector(0xf3);
  guest.platform.time = VirtualNs{2'000'000};
  guest.core.api->before_run(Guest::vcpu(0));
  guest.platform.poke<uint32_t>(Guest::kArgument, kArea);
  guest.platform.poke<uint32_t>(kArea + 44, 0x5a5a5a5a);
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_register_runstate_memory_area, 0, Guest::kArgument}) ==
        0);
  CHECK(guest.platform.peek_as<uint64_t>(kArea + offsetof(xen::abi32::vcpu_runstate_info, state_entry_time)) ==
        2'000'000);
  CHECK(guest.platform.peek_as<uint32_t>(kArea + 44) == 0x5a5a5a5a);
}

}  // namespace
}  // namespace xensim
