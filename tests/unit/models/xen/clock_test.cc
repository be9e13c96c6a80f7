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

// Registers the vCPU's runstate area, in the caller's width.
int64_t register_runstate(Guest& guest, uint64_t at, uint32_t number = 0) {
  guest.platform.poke<uint64_t>(Guest::kArgument, at);
  return guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op,
                    {VCPUOP_register_runstate_memory_area, number, Guest::kArgument});
}

void go_through_states(Guest& guest) {
  guest.platform.time = VirtualNs{guest.platform.time.v + 3'000'000};
  guest.core.api->halt(Guest::vcpu(0), true);
  guest.platform.time = VirtualNs{guest.platform.time.v + 2'000'000};
  guest.core.api->wake(Guest::vcpu(0), false);
  guest.core.api->before_run(Guest::vcpu(0));
}

TEST_CASE("A5 runstate: with the update flag its top byte alone is set first, and cleared last") {
  for (const bool mode64 : {true, false}) {
    for (const uint64_t area :
         {kArea, kArea + 0xff1, kArea + 0xff4, kArea + 0xff8}) {  // three cross a page, at other places
      CAPTURE(area);
      Guest guest;
      guest.mode64 = mode64;
      guest.via_vector(0xf3);
      guest.core.api->before_run(Guest::vcpu(0));
      CHECK(register_runstate(guest, area) == 0);
      CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vm_assist, {VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag}) ==
            0);
      const uint64_t top = area + (mode64 ? 8 : 4) + 7;
      std::vector<uint8_t> seen;  // the top byte before each write of the area, and after the last
      guest.platform.on_write = [&](xen::Site site) {
        if (site == xen::Site::kRunstate) seen.push_back(guest.platform.peek_as<uint8_t>(top));
      };
      go_through_states(guest);
      guest.platform.on_write = nullptr;
      seen.push_back(guest.platform.peek_as<uint8_t>(top));
      REQUIRE(seen.size() >= 4);
      CHECK(seen.front() == 0);
      CHECK(seen[1] == 0x80);
      CHECK(seen.back() == 0);
      const auto entry = guest.platform.peek_as<std::array<uint8_t, 8>>(top - 7);
      uint64_t entry_time = 0;
      std::memcpy(&entry_time, entry.data(), 8);
      CHECK(entry_time == guest.platform.time.v);
      vcpu_runstate_info info{};
      if (mode64) {
        CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_get_runstate_info, 0, Guest::kArgument}) == 0);
        info = guest.platform.peek_as<vcpu_runstate_info>(Guest::kArgument);
        CHECK(info.state_entry_time < uint64_t{1} << 63);  // the call never shows the flag
      }
    }
  }
}

TEST_CASE("A5 runstate: an area at any address is as long as its layout, and no byte longer") {
  for (const bool mode64 : {true, false}) {
    for (const uint64_t area : {kArea + 3, kArea + 0xffb}) {
      Guest guest;
      guest.mode64 = mode64;
      guest.via_vector(0xf3);
      guest.core.api->before_run(Guest::vcpu(0));
      const uint64_t size = mode64 ? 48 : 44;
      guest.platform.poke<uint32_t>(area - 4, 0x5a5a5a5a);
      guest.platform.poke<uint32_t>(area + size, 0x5a5a5a5a);
      CHECK(register_runstate(guest, area) == 0);
      go_through_states(guest);
      CHECK(guest.platform.peek_as<uint32_t>(area - 4) == 0x5a5a5a5a);
      CHECK(guest.platform.peek_as<uint32_t>(area + size) == 0x5a5a5a5a);
      CHECK(guest.platform.peek_as<uint64_t>(area + (mode64 ? 16 : 12) + 8 * RUNSTATE_blocked) == 2'000'000);
    }
  }
}

TEST_CASE("A5 runstate: the layout follows the latch, and an area that is given up is left alone") {
  Guest guest;
  guest.core.api->before_run(Guest::vcpu(0));
  CHECK(register_runstate(guest, kArea) == 0);
  go_through_states(guest);
  CHECK(guest.platform.peek_as<vcpu_runstate_info>(kArea).state_entry_time == guest.platform.time.v);
  guest.mode64 = false;
  guest.via_vector(0xf3);
  guest.mode64 = true;
  go_through_states(guest);
  CHECK(guest.platform.peek_as<uint64_t>(kArea + 4) == guest.platform.time.v);
  CHECK(register_runstate(guest, 0) == 0);
  guest.platform.poke(kArea, vcpu_runstate_info{});
  go_through_states(guest);
  CHECK(guest.platform.peek_as<uint64_t>(kArea + 4) == 0);
}

TEST_CASE("A5 runstate: each state shows, and every nanosecond is counted once") {
  Guest guest(2);
  guest.platform.time = VirtualNs{2'000'000};
  CHECK(runstate(guest, 1).state == RUNSTATE_offline);
  guest.core.api->wake(Guest::vcpu(1), true);
  CHECK(runstate(guest, 1).state == RUNSTATE_runnable);
  guest.platform.time = VirtualNs{3'000'000};
  guest.core.api->before_run(Guest::vcpu(1));
  CHECK(runstate(guest, 1).state == RUNSTATE_running);
  guest.platform.time = VirtualNs{7'000'000};
  guest.core.api->halt(Guest::vcpu(1), true);
  CHECK(runstate(guest, 1).state == RUNSTATE_blocked);
  guest.platform.time = VirtualNs{15'000'000};
  CHECK(guest.vcpu_op(VCPUOP_down, 1) == 0);
  guest.core.api->wake(Guest::vcpu(1), false);
  const vcpu_runstate_info info = runstate(guest, 1);
  CHECK(info.state == RUNSTATE_offline);
  CHECK(info.time[RUNSTATE_running] == 4'000'000);
  CHECK(info.time[RUNSTATE_runnable] == 1'000'000);
  CHECK(info.time[RUNSTATE_blocked] == 8'000'000);
  CHECK(info.time[RUNSTATE_offline] == 2'000'000);
  guest.check_invariants();
}

TEST_CASE("A5 runstate under KVM: what is not preempted runs, and areas are looked up once") {
  Guest guest(2, kvm_flavour());
  guest.core.api->before_run(Guest::vcpu(0));
  CHECK(register_runstate(guest, Guest::kBadAddress) == -XEN_EFAULT);
  CHECK(register_runstate(guest, kArea) == 0);
  go_through_states(guest);
  const auto info = guest.platform.peek_as<vcpu_runstate_info>(kArea);
  CHECK(info.state == RUNSTATE_running);
  CHECK(info.time[RUNSTATE_blocked] == 0);
  CHECK(info.time[RUNSTATE_running] >= 5'000'000);
  CHECK(register_runstate(guest, kArea + 64, 1) == 0);
  CHECK(guest.platform.peek_as<vcpu_runstate_info>(kArea + 64).state == RUNSTATE_running);

  const auto register_time = [&](uint64_t at, uint32_t number) {
    guest.platform.poke<uint64_t>(Guest::kArgument, at);
    return guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op,
                      {VCPUOP_register_vcpu_time_memory_area, number, Guest::kArgument});
  };
  CHECK(register_time(Guest::kBadAddress, 0) == -XEN_EFAULT);
  CHECK(register_time(kArea + 0xff0, 0) == -XEN_EFAULT);  // over a page's edge
  CHECK(register_time(kArea + 128, 1) == 0);
  CHECK(guest.platform.peek_as<vcpu_time_info>(kArea + 128).version == 0);  // it never ran
  guest.core.api->wake(Guest::vcpu(1), true);
  guest.core.api->before_run(Guest::vcpu(1));
  CHECK(guest.platform.peek_as<vcpu_time_info>(kArea + 128).version == 2);
}

TEST_CASE("B-X30: the wall clock is written each time that the layout is latched, and not before") {
  FakePlatform platform;
  const xen::CoreInstance core = xen::make_core(platform, {});
  xen::DomainConfig config;
  config.id = DomId{3};
  config.ram = {{Gpa{0}, FakePlatform::kRam, Maddr{0}}};
  CHECK(core.api->create_domain(config).has_value());
  const uint64_t wide = Guest::kSharedInfo + 0xc00;
  const uint64_t narrow = Guest::kSharedInfo + 0x900;
  CHECK(platform.peek_as<uint32_t>(wide) == 0);
  const VcpuRef vcpu{DomId{3}, VcpuId{0}};
  CHECK(core.api->write_msr(vcpu, 0x40000000, 0x5000, false));
  CHECK(platform.peek_as<uint32_t>(wide) == 0);
  CHECK(platform.peek_as<uint32_t>(narrow) == 2);
  CHECK(platform.peek_as<uint32_t>(narrow + 4) == 1'700'000'000);
  CHECK(core.api->write_msr(vcpu, 0x40000000, 0x5000, false));
  CHECK(platform.peek_as<uint32_t>(narrow) == 4);
  CHECK(core.api->write_msr(vcpu, 0x40000000, 0x5000, true));
  CHECK(platform.peek_as<uint32_t>(wide) == 2);
  CHECK(platform.peek_as<uint32_t>(narrow) == 4);
}

TEST_CASE("A5 runstate: a vCPU whose processor went to another has that time stolen") {
  for (const bool mode64 : {true, false}) {
    Guest guest;
    guest.mode64 = mode64;
    guest.via_vector(0xf3);
    guest.platform.time = VirtualNs{2'000'000};
    guest.core.api->before_run(Guest::vcpu(0));
    CHECK(register_runstate(guest, kArea) == 0);
    guest.platform.time = VirtualNs{3'000'000};
    guest.core.api->preempted(Guest::vcpu(0));
    CHECK(guest.platform.peek_as<uint32_t>(kArea) == RUNSTATE_runnable);
    guest.platform.time = VirtualNs{7'000'000};
    guest.core.api->preempted(Guest::vcpu(0));  // it has no processor to lose
    guest.core.api->before_run(Guest::vcpu(0));
    CHECK(guest.platform.peek_as<uint32_t>(kArea) == RUNSTATE_running);
    CHECK(guest.platform.peek_as<uint64_t>(kArea + (mode64 ? 16 : 12) + 8 * RUNSTATE_runnable) == 6'000'000);
    guest.check_invariants();
  }
}

TEST_CASE("B-K2: a flag that is set by a whole word leaves a moment in which half of it shows") {
  for (const bool by_word : {false, true}) {
    Guest guest(1, *xen::flavour_by_name(by_word ? "xen+runstate_flag_by_word" : "xen"));
    guest.core.api->before_run(Guest::vcpu(0));
    const uint64_t area = kArea + 0x1000 - 12;  // the edge of a page lies between the halves of state_entry_time
    CHECK(register_runstate(guest, area) == 0);
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vm_assist, {VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag}) ==
          0);
    const uint64_t before = guest.platform.peek_as<uint32_t>(area + 8);
    bool torn = false;  // a new low half, no flag
    guest.platform.on_write = [&](xen::Site site) {
      if (site != xen::Site::kRunstate) return;
      torn |= guest.platform.peek_as<uint32_t>(area + 8) != before &&
              guest.platform.peek_as<uint32_t>(area + 12) >> 31 == 0;
    };
    guest.platform.time = VirtualNs{9'000'000};
    guest.core.api->halt(Guest::vcpu(0), true);
    guest.platform.on_write = nullptr;
    CHECK(torn == by_word);
  }
}

}  // namespace
}  // namespace xensim
