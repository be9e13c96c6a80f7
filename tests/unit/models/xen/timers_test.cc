// Singleshot, periodic and set_timer_op.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

constexpr uint64_t kNow = 1'000'000;  // FakePlatform's clock at the start
const xen::TimerId kSingleshot{xen::TimerKind::kSingleshot, Guest::vcpu(0)};
const xen::TimerId kPeriodic{xen::TimerKind::kPeriodic, Guest::vcpu(0)};

int64_t set_singleshot(Guest& guest, uint64_t deadline_ns, uint32_t number = 0, uint32_t flags = 0) {
  if (!guest.mode64) {
    return guest.vcpu_op(VCPUOP_set_singleshot_timer, number,
                         xen::abi32::vcpu_set_singleshot_timer{deadline_ns, flags});
  }
  return guest.vcpu_op(VCPUOP_set_singleshot_timer, number, vcpu_set_singleshot_timer{deadline_ns, flags});
}

TEST_CASE("singleshot: set, fire, stop") {
  for (const bool mode64 : {true, false}) {
    Guest guest;
    guest.mode64 = mode64;
    const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
    CHECK(set_singleshot(guest, kNow + 500) == 0);
    CHECK(guest.platform.timers[kSingleshot] == VirtualNs{kNow + 500});
    CHECK_FALSE(guest.pending(port));
    guest.core.api->timer_expired(kSingleshot);
    CHECK(guest.pending(port));
    CHECK(guest.vcpu_op(VCPUOP_stop_singleshot_timer, 0) == 0);
    CHECK(guest.platform.timers.count(kSingleshot) == 0);
  }
}

TEST_CASE("singleshot in the past: the event comes at once, whatever the flags say") {
  for (const uint32_t flags : {0u, VCPU_SSHOTTMR_future}) {
    Guest guest;
    const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
    CHECK(set_singleshot(guest, kNow + 500) == 0);
    CHECK(set_singleshot(guest, kNow - 1, 0, flags) == 0);
    CHECK(guest.pending(port));
    CHECK(guest.platform.timers.empty());
  }
}

TEST_CASE("singleshot: errors, in the order of each width") {
  Guest guest(2);
  const auto call = [&](uint32_t op, uint32_t number) {
    return guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {op, number, Guest::kBadAddress});
  };
  CHECK(set_singleshot(guest, kNow, 1) == -XEN_EINVAL);
  CHECK(set_singleshot(guest, kNow, 2) == -XEN_ENOENT);
  CHECK(call(VCPUOP_set_singleshot_timer, 0) == -XEN_EFAULT);
  CHECK(call(VCPUOP_set_singleshot_timer, 1) == -XEN_EINVAL);
  CHECK(guest.vcpu_op(VCPUOP_stop_singleshot_timer, 1) == -XEN_EINVAL);
  guest.mode64 = false;
  CHECK(call(VCPUOP_set_singleshot_timer, 1) == -XEN_EFAULT);
  CHECK(set_singleshot(guest, kNow, 1) == -XEN_EINVAL);
}

TEST_CASE("a timer without a VIRQ bound fires into nothing") {
  Guest guest;
  guest.core.api->timer_expired(kSingleshot);
  CHECK(guest.shared().vcpu_info[0].evtchn_upcall_pending == 0);
}

TEST_CASE("set_timer_op: stop, absolute, far ahead, negative") {
  Guest guest;
  const auto set = [&](uint64_t time) { return guest.call(Guest::vcpu(0), __HYPERVISOR_set_timer_op, {time}); };
  CHECK(set(kNow + 700) == 0);
  CHECK(guest.platform.timers[kSingleshot] == VirtualNs{kNow + 700});
  CHECK(set(5) == 0);  // past: the timer is armed and fires at once
  CHECK(guest.platform.timers[kSingleshot] == VirtualNs{5});
  CHECK(set(kNow + (uint64_t{1} << 50) - 1) == 0);
  CHECK(guest.platform.timers[kSingleshot] == VirtualNs{kNow + (uint64_t{1} << 50) - 1});
  CHECK(set(kNow + (uint64_t{1} << 50)) == 0);
  CHECK(guest.platform.timers[kSingleshot] == VirtualNs{kNow + 100'000'000});
  CHECK(set(uint64_t{1} << 63) == 0);
  CHECK(guest.platform.timers[kSingleshot] == VirtualNs{kNow + 100'000'000});
  CHECK(set(0) == 0);
  CHECK(guest.platform.timers.empty());
}

TEST_CASE("set_timer_op in 32-bit mode takes two registers") {
  Guest guest;
  guest.mode64 = false;
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_set_timer_op, {0x10, 2}) == 0);
  CHECK(guest.platform.timers[kSingleshot] == VirtualNs{0x2'0000'0010});
}

TEST_CASE("periodic: limits, first tick, next ticks, stop") {
  Guest guest;
  const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
  const auto set = [&](uint64_t period) {
    return guest.vcpu_op(VCPUOP_set_periodic_timer, 0, vcpu_set_periodic_timer{period});
  };
  CHECK(set(999'999) == -XEN_EINVAL);
  CHECK(set((~uint64_t{0} >> 2) + 1) == -XEN_EINVAL);
  guest.platform.time = VirtualNs{10'000'000};
  CHECK(set(2'000'000) == 0);
  CHECK(guest.pending(port));  // a period has gone by since the last tick, at time 0
  CHECK(guest.platform.timers[kPeriodic] == VirtualNs{12'000'000});
  guest.consume(0);
  guest.core.api->timer_expired(kPeriodic);  // early: no tick
  CHECK_FALSE(guest.pending(port));
  guest.platform.time = VirtualNs{12'500'000};
  guest.core.api->timer_expired(kPeriodic);
  CHECK(guest.pending(port));
  CHECK(guest.platform.timers[kPeriodic] == VirtualNs{14'500'000});
  CHECK(guest.vcpu_op(VCPUOP_stop_periodic_timer, 0) == 0);
  CHECK(guest.platform.timers.empty());
  guest.core.api->timer_expired(kPeriodic);  // one that was on its way
  CHECK(guest.platform.timers.empty());
}

TEST_CASE("the periodic timer sleeps with its vCPU, but not under KVM") {
  for (const bool kvm : {false, true}) {
    Guest guest(2, kvm ? kvm_flavour() : xen::Flavour{});
    const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
    guest.platform.time = VirtualNs{10'000'000};
    CHECK(guest.vcpu_op(VCPUOP_set_periodic_timer, 0, vcpu_set_periodic_timer{2'000'000}) == 0);
    guest.consume(0);
    guest.core.api->halt(Guest::vcpu(0), true);
    CHECK(guest.platform.timers.count(kPeriodic) == (kvm ? 1 : 0));
    guest.platform.time = VirtualNs{20'000'000};
    guest.core.api->wake(Guest::vcpu(0), false);
    guest.core.api->before_run(Guest::vcpu(0));
    CHECK(guest.pending(port) == !kvm);  // one tick makes up for all that were missed
    CHECK(guest.platform.timers[kPeriodic] == VirtualNs{kvm ? 12'000'000u : 22'000'000u});
  }
}

TEST_CASE("A5 singleshot: times above 2^63 are past on Xen, on KVM when that is nearer") {
  for (const bool mode64 : {true, false}) {
    for (const bool kvm : {false, true}) {
      Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
      guest.mode64 = mode64;
      const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
      for (const uint64_t never : {uint64_t{1} << 62, ~uint64_t{0} >> 1}) {
        CHECK(set_singleshot(guest, never) == 0);
        CHECK_FALSE(guest.pending(port));
        CHECK(guest.platform.timers[kSingleshot] == VirtualNs{never});
      }
      CHECK(set_singleshot(guest, uint64_t{1} << 63) == 0);
      CHECK(guest.pending(port) == !kvm);
      guest.consume(0);
      CHECK(set_singleshot(guest, ~uint64_t{0}) == 0);
      CHECK(guest.pending(port));
      CHECK(guest.platform.timers.empty());
    }
  }
}

TEST_CASE("A5 singleshot: now is not past on Xen, on KVM it is") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
    CHECK(set_singleshot(guest, kNow) == 0);
    CHECK(guest.pending(port) == kvm);
    CHECK(guest.platform.timers.count(kSingleshot) == (kvm ? 0 : 1));
  }
}

TEST_CASE("A5 singleshot under KVM: how much of the argument is read, and when") {
  Guest guest(2, kvm_flavour());
  const uint64_t end = FakePlatform::kRam;
  const auto call = [&](uint32_t number, uint64_t at) {
    return guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_set_singleshot_timer, number, at});
  };
  CHECK(call(0, end - 12) == 0);  // no VIRQ_TIMER: 12 bytes do
  guest.bind_virq(VIRQ_TIMER, 0);
  CHECK(call(0, end - 12) == -XEN_EFAULT);
  CHECK(call(0, end - 16) == 0);
  guest.mode64 = false;
  CHECK(call(0, end - 12) == 0);
  CHECK(call(0, end - 8) == -XEN_EFAULT);
  CHECK(call(1, end) == -XEN_EINVAL);  // whose timer it is comes first
}

TEST_CASE("A5 periodic: another vCPU's, limits, and errors, in both widths") {
  for (const bool mode64 : {true, false}) {
    Guest guest(2);
    guest.mode64 = mode64;
    const auto set = [&](uint32_t number, uint64_t period) {
      return guest.vcpu_op(VCPUOP_set_periodic_timer, number, vcpu_set_periodic_timer{period});
    };
    CHECK(set(1, 1'000'000) == 0);
    CHECK(guest.platform.timers.count({xen::TimerKind::kPeriodic, Guest::vcpu(1)}) == 1);
    CHECK(set(1, ~uint64_t{0} >> 2) == 0);
    for (const uint64_t bad : {uint64_t{0}, uint64_t{999'999}, uint64_t{1} << 62, uint64_t{1} << 63, ~uint64_t{0}}) {
      CHECK(set(0, bad) == -XEN_EINVAL);
    }
    CHECK(set(2, 1'000'000) == -XEN_ENOENT);
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_set_periodic_timer, 0, Guest::kBadAddress}) ==
          -XEN_EFAULT);
    CHECK(guest.vcpu_op(VCPUOP_stop_periodic_timer, 2) == -XEN_ENOENT);
    CHECK(guest.vcpu_op(VCPUOP_stop_periodic_timer, 1) == 0);
    CHECK(guest.platform.timers.empty());
  }
}

TEST_CASE("A5 periodic under KVM: the first tick comes after a period") {
  Guest guest(1, kvm_flavour());
  const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
  guest.platform.time = VirtualNs{10'000'000};
  CHECK(guest.vcpu_op(VCPUOP_set_periodic_timer, 0, vcpu_set_periodic_timer{2'000'000}) == 0);
  CHECK_FALSE(guest.pending(port));
  CHECK(guest.platform.timers[kPeriodic] == VirtualNs{12'000'000});
  guest.platform.time = VirtualNs{12'000'000};
  guest.core.api->timer_expired(kPeriodic);
  CHECK(guest.pending(port));
}

TEST_CASE("B-X24: a singleshot that is late is no error, whatever the guest asked for: the event comes") {
  for (const bool mode64 : {true, false}) {
    Guest guest;
    guest.mode64 = mode64;
    const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
    guest.platform.time = VirtualNs{5'000'000};  // since the guest computed its deadline
    CHECK(set_singleshot(guest, 4'000'000, 0, VCPU_SSHOTTMR_future) == 0);
    CHECK(guest.pending(port));
  }
}

TEST_CASE("B-X24: Xen before 2023 made a late singleshot an error, on request, and sent nothing") {
  Guest guest(1, *xen::flavour_by_name("xen+late_singleshot_etime"));
  const uint32_t port = guest.bind_virq(VIRQ_TIMER, 0);
  CHECK(set_singleshot(guest, kNow - 1, 0, VCPU_SSHOTTMR_future) == -XEN_ETIME);
  CHECK_FALSE(guest.pending(port));
  CHECK(set_singleshot(guest, kNow + 1, 0, VCPU_SSHOTTMR_future) == 0);
  CHECK(set_singleshot(guest, kNow - 1) == 0);
  CHECK(guest.pending(port));
}

}  // namespace
}  // namespace xensim
