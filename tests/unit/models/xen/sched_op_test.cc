// SCHED_OP but for poll and block: yield, shutdown, watchdogs, and what a guest may not do.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

using xen::ShutdownReason;

TEST_CASE("yield gives way") {
  Guest guest;
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_sched_op, {SCHEDOP_yield}) == 0);
  CHECK(guest.platform.yields == std::vector<VcpuRef>{Guest::vcpu(0)});
}

TEST_CASE("shutdown: each reason, once") {
  for (uint32_t reason = SHUTDOWN_poweroff; reason <= SHUTDOWN_soft_reset; ++reason) {
    Guest guest;
    CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{reason}) == 0);
    CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_crash}) == 0);
    CHECK(guest.platform.shutdowns == std::vector{static_cast<ShutdownReason>(reason)});
    CHECK_FALSE(guest.runnable(0));
  }
  Guest guest;
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{77}) == 0);
  CHECK(guest.platform.shutdowns == std::vector{ShutdownReason::kCrash});
}

TEST_CASE("trait shutdown_few_reasons: what QEMU cannot do is refused, and all bits of a reason count") {
  for (const uint32_t reason : {2u, 4u, 6u, 77u, 0x100u, 0x103u}) {
    Guest guest(1, kvm_flavour());
    CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{reason}) == -XEN_EINVAL);
    CHECK(guest.platform.shutdowns.empty());
  }
}

TEST_CASE("shutdown_code decides the reason of a later shutdown, the first counts") {
  Guest guest;
  CHECK(guest.sched_op(SCHEDOP_shutdown_code, sched_shutdown{SHUTDOWN_reboot}) == 0);
  CHECK(guest.sched_op(SCHEDOP_shutdown_code, sched_shutdown{SHUTDOWN_crash}) == 0);
  CHECK(guest.platform.shutdowns.empty());
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_poweroff}) == 0);
  CHECK(guest.platform.shutdowns == std::vector{ShutdownReason::kReboot});
}

TEST_CASE("watchdogs: two, by id") {
  Guest guest;
  const auto watchdog = [&](uint32_t id, uint32_t timeout_s) {
    return guest.sched_op(SCHEDOP_watchdog, sched_watchdog{id, timeout_s});
  };
  const xen::TimerId first{xen::TimerKind::kWatchdog0, Guest::vcpu(0)};
  const xen::TimerId second{xen::TimerKind::kWatchdog1, Guest::vcpu(0)};
  CHECK(watchdog(1, 5) == -XEN_EINVAL);
  CHECK(watchdog(3, 5) == -XEN_EINVAL);
  CHECK(watchdog(0, 5) == 1);
  CHECK(guest.platform.timers[first] == VirtualNs{5'001'000'000});
  CHECK(watchdog(0, 6) == 2);
  CHECK(guest.platform.timers[second] == VirtualNs{6'001'000'000});
  CHECK(watchdog(0, 7) == 0xffffffe4);
  CHECK(watchdog(2, 9) == 0);
  CHECK(guest.platform.timers[second] == VirtualNs{9'001'000'000});
  CHECK(watchdog(1, 0) == 0);
  CHECK(guest.platform.timers.count(first) == 0);
  CHECK(watchdog(1, 0) == -XEN_EINVAL);
  CHECK(watchdog(0, 5) == 1);
  guest.core.api->timer_expired(second);
  CHECK(guest.platform.shutdowns == std::vector{ShutdownReason::kWatchdog});
}

TEST_CASE("what KVM has not") {
  Guest guest(1, kvm_flavour());
  CHECK(guest.sched_op(SCHEDOP_watchdog, sched_watchdog{0, 5}) == -XEN_ENOSYS);
  for (const uint64_t op : {SCHEDOP_block, SCHEDOP_shutdown_code, SCHEDOP_remote_shutdown, SCHEDOP_pin_override}) {
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_sched_op, {op, Guest::kArgument}) == -XEN_ENOSYS);
  }
}

TEST_CASE("what a guest may not do") {
  Guest guest;
  guest.add_domain(DomId{6});
  CHECK(guest.sched_op(SCHEDOP_remote_shutdown, sched_remote_shutdown{77, 0}) == -XEN_ESRCH);
  CHECK(guest.sched_op(SCHEDOP_remote_shutdown, sched_remote_shutdown{6, 0}) == -XEN_EPERM);
  CHECK(guest.sched_op(SCHEDOP_remote_shutdown, sched_remote_shutdown{0, 0}) == -XEN_EPERM);
  CHECK(guest.sched_op(SCHEDOP_pin_override, sched_pin_override{0}) == -XEN_EPERM);
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_sched_op, {8}) == -XEN_ENOSYS);
  for (const uint64_t op : {SCHEDOP_shutdown, SCHEDOP_shutdown_code, SCHEDOP_remote_shutdown, SCHEDOP_watchdog}) {
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_sched_op, {op, Guest::kBadAddress}) == -XEN_EFAULT);
  }
}

}  // namespace
}  // namespace xensim
