// SCHEDOP_poll, SCHEDOP_block, HLT: going to sleep and being woken, and what may come between.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

constexpr uint64_t kPorts = 0x3000;
const xen::TimerId kPollTimer{xen::TimerKind::kPoll, Guest::vcpu(1)};

// vCPU 1 polls `ports`.
int64_t poll(Guest& guest, std::vector<uint32_t> ports, uint64_t timeout_ns = 0) {
  for (size_t i = 0; i < ports.size(); ++i) guest.platform.poke(kPorts + i * 4, ports[i]);
  const uint32_t count = static_cast<uint32_t>(ports.size());
  if (!guest.mode64) {
    return guest.sched_op(SCHEDOP_poll, xen::abi32::sched_poll{{kPorts}, count, timeout_ns}, Guest::vcpu(1));
  }
  sched_poll args{};
  args.ports.p = reinterpret_cast<evtchn_port_t*>(kPorts);
  args.nr_ports = count;
  args.timeout = timeout_ns;
  return guest.sched_op(SCHEDOP_poll, args, Guest::vcpu(1));
}

// A guest whose vCPU 1 is up.
struct TwoVcpus : Guest {
  explicit TwoVcpus(const xen::Flavour& flavour = {}) : Guest(2, flavour) { core.api->wake(vcpu(1), true); }
};

TEST_CASE("poll sleeps and is woken by a send of a masked port bound to another vCPU") {
  for (const bool mode64 : {true, false}) {
    TwoVcpus guest;
    guest.mode64 = mode64;
    guest.via_vector(0xf3);
    const uint32_t port = guest.bind_ipi(0);
    const uint64_t mask_at = Guest::kSharedInfo + (mode64 ? 0xa00 : 0x880);
    guest.platform.poke<uint32_t>(mask_at, 1u << port);
    CHECK(poll(guest, {port}) == 0);
    CHECK_FALSE(guest.runnable(1));
    CHECK(guest.platform.runnable[Guest::vcpu(1)] == false);
    CHECK(guest.send(port) == 0);
    CHECK(guest.runnable(1));
    CHECK(guest.platform.runnable[Guest::vcpu(1)] == true);
    CHECK(guest.core.inspector->lost_events().empty());
  }
}

TEST_CASE("KVM's lost wake-up: the poller is not the vCPU the port is bound to") {
  TwoVcpus guest(kvm_flavour());
  const uint32_t port = guest.bind_ipi(0);
  guest.mask(port);
  CHECK(poll(guest, {port}) == 0);
  CHECK(guest.send(port) == 0);
  CHECK_FALSE(guest.runnable(1));
  const auto lost = guest.core.inspector->lost_events();
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].vcpu == Guest::vcpu(1));
  CHECK(lost[0].port == Port{port});
}

TEST_CASE("KVM wakes the poller that the masked port is bound to") {
  TwoVcpus guest(kvm_flavour());
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  CHECK(poll(guest, {port}) == 0);
  CHECK(guest.send(port) == 0);
  CHECK(guest.runnable(1));
}

TEST_CASE("without a callback vector Xen wakes a poller of a masked port, KVM does not") {
  for (const bool kvm : {false, true}) {
    TwoVcpus guest(kvm ? kvm_flavour() : xen::Flavour{});
    guest.set_param(HVM_PARAM_CALLBACK_IRQ, 0);
    const uint32_t port = guest.bind_ipi(1);
    guest.mask(port);
    CHECK(poll(guest, {port}) == 0);
    CHECK(guest.send(port) == 0);
    CHECK(guest.runnable(1) == !kvm);
  }
}

TEST_CASE("a poller of one port sleeps on over others, of several it wakes for any") {
  TwoVcpus guest;
  const uint32_t wanted = guest.bind_ipi(0), second = guest.bind_ipi(0), other = guest.bind_ipi(0);
  CHECK(poll(guest, {wanted}) == 0);
  guest.send(other);
  CHECK_FALSE(guest.runnable(1));
  guest.send(wanted);
  CHECK(guest.runnable(1));
  guest.consume(0);
  CHECK(poll(guest, {wanted, second}) == 0);
  CHECK_FALSE(guest.runnable(1));
  guest.send(other);
  CHECK(guest.runnable(1));
}

TEST_CASE("poll of a port that is pending returns at once") {
  TwoVcpus guest;
  const uint32_t first = guest.bind_ipi(0), second = guest.bind_ipi(0);
  guest.send(second);
  CHECK(poll(guest, {first, second}) == 0);
  CHECK(guest.runnable(1));
}

TEST_CASE("poll over an upcall that could be taken returns at once, with interrupts off it sleeps") {
  TwoVcpus guest;
  const uint32_t mine = guest.bind_ipi(1), other = guest.bind_ipi(0);
  guest.send(mine);
  CHECK(poll(guest, {other}) == 0);
  CHECK(guest.runnable(1));
  guest.interrupts_enabled = false;
  CHECK(poll(guest, {other}) == 0);
  CHECK_FALSE(guest.runnable(1));
}

TEST_CASE("poll: limits and errors leave the vCPU running") {
  TwoVcpus guest;
  const uint32_t port = guest.bind_ipi(0);
  CHECK(poll(guest, std::vector<uint32_t>(129, port)) == -XEN_EINVAL);
  CHECK(poll(guest, {port, 0}) == -XEN_EINVAL);
  CHECK(poll(guest, {50}) == -XEN_EINVAL);
  CHECK(poll(guest, {5000}) == -XEN_EINVAL);
  sched_poll args{};
  args.ports.p = reinterpret_cast<evtchn_port_t*>(Guest::kBadAddress);
  args.nr_ports = 1;
  CHECK(guest.sched_op(SCHEDOP_poll, args, Guest::vcpu(1)) == -XEN_EFAULT);
  CHECK(guest.call(Guest::vcpu(1), __HYPERVISOR_sched_op, {SCHEDOP_poll, Guest::kBadAddress}) == -XEN_EFAULT);
  CHECK(guest.runnable(1));
  CHECK(poll(guest, std::vector<uint32_t>(128, port)) == 0);
  CHECK_FALSE(guest.runnable(1));
}

TEST_CASE("poll of a closed port under KVM sleeps") {
  TwoVcpus guest(kvm_flavour());
  CHECK(poll(guest, {50}) == 0);
  CHECK_FALSE(guest.runnable(1));
  guest.core.api->wake(Guest::vcpu(1), false);
  CHECK(poll(guest, {5000}) == -XEN_EINVAL);
}

TEST_CASE("poll without ports sleeps until any event or its time") {
  TwoVcpus guest;
  CHECK(poll(guest, {}, 5'000'000) == 0);
  CHECK_FALSE(guest.runnable(1));
  REQUIRE(guest.platform.timers.count(kPollTimer) == 1);
  CHECK(guest.platform.timers[kPollTimer] == VirtualNs{5'000'000});
  guest.core.api->timer_expired(kPollTimer);
  CHECK(guest.runnable(1));
}

TEST_CASE("a poll's time is relative under KVM, and cannot overflow") {
  TwoVcpus guest(kvm_flavour());
  CHECK(poll(guest, {}, 5'000'000) == 0);
  CHECK(guest.platform.timers[kPollTimer] == VirtualNs{6'000'000});
  guest.core.api->wake(Guest::vcpu(1), false);
  CHECK(poll(guest, {}, ~uint64_t{0}) == 0);
  CHECK(guest.platform.timers[kPollTimer] == VirtualNs{~uint64_t{0}});
}

TEST_CASE("a stale time-out ends a later poll, as in Xen, when nobody polls it does nothing") {
  TwoVcpus guest;
  const uint32_t port = guest.bind_ipi(0);
  CHECK(poll(guest, {port}, 5'000'000) == 0);
  guest.send(port);
  CHECK(guest.runnable(1));
  guest.core.api->timer_expired(kPollTimer);
  guest.consume(0);
  CHECK(poll(guest, {port}) == 0);
  guest.core.api->timer_expired(kPollTimer);
  CHECK(guest.runnable(1));
}

TEST_CASE("an event at every step of a poll is either seen or wakes") {
  // The steps of the polling vCPU that others can see, and how often it takes each.
  struct Step {
    xen::Site site;
    unsigned times;
  };
  for (const Step step : {Step{xen::Site::kBlocked, 1}, Step{xen::Site::kPollPort, 2}, Step{xen::Site::kPollMask, 1},
                          Step{xen::Site::kUpcallPending, 1}, Step{xen::Site::kEvtchnPending, 1}}) {
    for (unsigned skip = 0; skip < step.times; ++skip) {
      TwoVcpus guest;
      const uint32_t port = guest.bind_ipi(0);
      guest.mask(port);
      guest.platform.at_site(step.site, skip, [&] { guest.core.api->external_event(Guest::kDom, Port{port}); });
      CHECK(poll(guest, {port}) == 0);
      CHECK(guest.pending(port));
      CHECK(guest.runnable(1));
      CHECK(guest.core.inspector->lost_events().empty());
    }
  }
}

TEST_CASE("a close at every step of a poll leaves a vCPU that can be woken") {
  TwoVcpus guest;
  const uint32_t port = guest.bind_ipi(0);
  guest.platform.at_site(xen::Site::kPollMask, 0, [&] { guest.close(port, Guest::vcpu(0)); });
  CHECK(poll(guest, {port}) == -XEN_EINVAL);
  CHECK(guest.runnable(1));
}

TEST_CASE("block clears the upcall mask, sleeps, and is woken by an event for it") {
  TwoVcpus guest;
  const uint32_t port = guest.bind_ipi(1);
  const uint64_t mask_at = Guest::kSharedInfo + sizeof(vcpu_info) + offsetof(vcpu_info, evtchn_upcall_mask);
  guest.platform.poke<uint8_t>(mask_at, 1);
  CHECK(guest.call(Guest::vcpu(1), __HYPERVISOR_sched_op, {SCHEDOP_block}) == 0);
  CHECK(guest.platform.peek_as<uint8_t>(mask_at) == 0);
  CHECK_FALSE(guest.runnable(1));
  guest.send(port);
  CHECK(guest.runnable(1));
  CHECK(guest.core.api->pending_upcall(Guest::vcpu(1))->vector == 0xf3);
}

TEST_CASE("block over a pending upcall does not sleep, an event between its steps is not lost") {
  TwoVcpus guest;
  const uint32_t port = guest.bind_ipi(1);
  guest.send(port);
  CHECK(guest.call(Guest::vcpu(1), __HYPERVISOR_sched_op, {SCHEDOP_block}) == 0);
  CHECK(guest.runnable(1));
  for (const xen::Site site : {xen::Site::kBlocked, xen::Site::kCallbackVia, xen::Site::kUpcallPending}) {
    guest.consume(1);
    guest.platform.at_site(site, 0, [&] { guest.core.api->external_event(Guest::kDom, Port{port}); });
    CHECK(guest.call(Guest::vcpu(1), __HYPERVISOR_sched_op, {SCHEDOP_block}) == 0);
    CHECK(guest.runnable(1));
  }
}

TEST_CASE("a vCPU whose sleep another looked at, and that does not sleep after all, can run for the platform too") {
  TwoVcpus guest;
  const uint32_t port = guest.bind_ipi(1);
  guest.send(port);
  const auto down_and_up = [&] {
    CHECK(guest.vcpu_op(VCPUOP_down, 1) == 0);
    CHECK(guest.vcpu_op(VCPUOP_up, 1) == 0);
    CHECK(guest.platform.runnable[Guest::vcpu(1)] == false);
  };
  guest.platform.at_site(xen::Site::kUpcallPending, 0, down_and_up);
  CHECK(guest.call(Guest::vcpu(1), __HYPERVISOR_sched_op, {SCHEDOP_block}) == 0);
  CHECK(guest.platform.runnable[Guest::vcpu(1)] == true);
  guest.platform.at_site(xen::Site::kPollMask, 0, down_and_up);
  CHECK(poll(guest, {port}) == 0);
  CHECK(guest.platform.runnable[Guest::vcpu(1)] == true);
}

TEST_CASE("HLT with interrupts on sleeps until an event or a local interrupt") {
  TwoVcpus guest;
  guest.core.api->halt(Guest::vcpu(1), true);
  CHECK_FALSE(guest.runnable(1));
  guest.core.api->wake(Guest::vcpu(1), false);
  CHECK(guest.runnable(1));
}

TEST_CASE("HLT with interrupts off takes the vCPU down, the last one is a poweroff") {
  TwoVcpus guest;
  guest.core.api->halt(Guest::vcpu(1), false);
  CHECK_FALSE(guest.runnable(1));
  CHECK(guest.vcpu_op(VCPUOP_is_up, 1) == 0);
  CHECK(guest.platform.shutdowns.empty());
  guest.core.api->halt(Guest::vcpu(0), false);
  CHECK(guest.platform.shutdowns == std::vector{xen::ShutdownReason::kPoweroff});
}

TEST_CASE("HLT with interrupts off under KVM is for ever, but for an INIT") {
  TwoVcpus guest(kvm_flavour());
  const uint32_t port = guest.bind_ipi(1);
  guest.core.api->halt(Guest::vcpu(1), false);
  guest.send(port);
  guest.core.api->wake(Guest::vcpu(1), false);
  CHECK_FALSE(guest.runnable(1));
  guest.core.api->halt(Guest::vcpu(0), false);
  CHECK(guest.platform.shutdowns.empty());
  guest.core.api->wake(Guest::vcpu(1), true);
  CHECK(guest.runnable(1));
}

TEST_CASE("A4 poll: a time above 2^63 is past on Xen") {
  for (const bool mode64 : {true, false}) {
    TwoVcpus guest;
    guest.mode64 = mode64;
    const uint32_t port = guest.bind_ipi(1);
    CHECK(poll(guest, {port}, uint64_t{1} << 63) == 0);
    CHECK(guest.platform.timers[kPollTimer] == VirtualNs{0});
    guest.core.api->timer_expired(kPollTimer);
    CHECK(guest.runnable(1));
    CHECK(poll(guest, {port}, ~uint64_t{0} >> 1) == 0);
    CHECK(guest.platform.timers[kPollTimer] == VirtualNs{~uint64_t{0} >> 1});
  }
}

TEST_CASE("A4 poll: Xen takes one port after the other, KVM reads and judges all of them first") {
  for (const bool mode64 : {true, false}) {
    for (const bool kvm : {false, true}) {
      TwoVcpus guest(kvm ? kvm_flavour() : xen::Flavour{});
      guest.mode64 = mode64;
      guest.via_vector(0xf3);
      const uint32_t port = guest.bind_ipi(0);
      CHECK(guest.send(port) == 0);
      const uint32_t limit = mode64 ? 4096 : 1024;
      CHECK(poll(guest, {port, limit}) == (kvm ? -XEN_EINVAL : 0));
      CHECK(poll(guest, {limit, port}) == -XEN_EINVAL);
      CHECK(poll(guest, {port, 0}) == 0);
      CHECK(guest.runnable(1));

      const uint64_t last = FakePlatform::kRam - 4;  // the second port cannot be read
      guest.platform.poke<uint32_t>(last, port);
      sched_poll args{};
      args.ports.p = reinterpret_cast<evtchn_port_t*>(last);
      args.nr_ports = 2;
      const int64_t result =
          mode64 ? guest.sched_op(SCHEDOP_poll, args, Guest::vcpu(1))
                 : guest.sched_op(SCHEDOP_poll, xen::abi32::sched_poll{{static_cast<uint32_t>(last)}, 2, 0},
                                  Guest::vcpu(1));
      CHECK(result == (kvm ? -XEN_EFAULT : 0));
      CHECK(guest.runnable(1));
    }
  }
}

TEST_CASE("A4 poll: port 0, and no port at all") {
  for (const bool kvm : {false, true}) {
    TwoVcpus guest(kvm ? kvm_flavour() : xen::Flavour{});
    CHECK(poll(guest, {0}, 1) == (kvm ? 0 : -XEN_EINVAL));
    guest.core.api->timer_expired(kPollTimer);
    CHECK(guest.sched_op(SCHEDOP_poll, sched_poll{{nullptr}, 0, 1}, Guest::vcpu(1)) == 0);
  }
}

TEST_CASE("A4 poll under KVM: its timer ends with it") {
  TwoVcpus guest(kvm_flavour());
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  CHECK(poll(guest, {port}, 1'000'000'000) == 0);
  CHECK(guest.platform.timers.count(kPollTimer) == 1);
  CHECK(guest.send(port) == 0);
  CHECK(guest.runnable(1));
  guest.core.api->before_run(Guest::vcpu(1));
  CHECK(guest.platform.timers.count(kPollTimer) == 0);
}

TEST_CASE("a pointer that is not canonical is read where its 48 bits say, as on Xen and KVM") {
  TwoVcpus guest;
  const uint32_t port = guest.bind_ipi(0);
  CHECK(guest.send(port) == 0);
  guest.platform.poke(kPorts, port);
  sched_poll args{};
  args.ports.p = reinterpret_cast<evtchn_port_t*>(kPorts | uint64_t{1} << 63);
  args.nr_ports = 1;
  CHECK(guest.sched_op(SCHEDOP_poll, args, Guest::vcpu(1)) == 0);
  CHECK(guest.runnable(1));
}

}  // namespace
}  // namespace xensim
