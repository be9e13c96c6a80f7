// SHUTDOWN_soft_reset and what is left of a domain afterwards (the real Xen's answers: probe soft_reset).
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

constexpr uint64_t kArea = 0x4000;
constexpr uint64_t kInfoGfn = 6;
constexpr uint64_t kSharedGfn = 9;

class ResetGuest : public Guest {
 public:
  explicit ResetGuest(const xen::Flavour& flavour = {}) : Guest(2, flavour) { core.api->wake(vcpu(1), true); }

  void map_shared_info(uint64_t gfn) {
    xen_add_to_physmap args{};
    args.domid = DOMID_SELF;
    args.space = XENMAPSPACE_shared_info;
    args.gpfn = gfn;
    platform.poke(kArgument, args);
    CHECK(call(vcpu(0), __HYPERVISOR_memory_op, {XENMEM_add_to_physmap, kArgument}) == 0);
  }
  void register_areas() {
    platform.poke<uint64_t>(kArgument, kArea);
    CHECK(call(vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_register_runstate_memory_area, 0, kArgument}) == 0);
    platform.poke<uint64_t>(kArgument, kArea + 64);
    CHECK(call(vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_register_vcpu_time_memory_area, 0, kArgument}) == 0);
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{kInfoGfn, 0, 0}) == 0);
  }
  // The guest asks, the toolstack carries out.
  void reset() {
    CHECK(sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_soft_reset}) == 0);
    CHECK_FALSE(runnable(0));
    CHECK_FALSE(runnable(1));
    CHECK(core.api->soft_reset(kDom) == 0);
    CHECK(core.inspector->broken_invariants().empty());
  }
  // Enough for anything that is shown from time to time to be shown again.
  void run_on() {
    platform.time = VirtualNs{platform.time.v + 5'000'000'000};
    core.api->halt(vcpu(0), true);
    core.api->wake(vcpu(0), false);
    core.api->before_run(vcpu(0));
  }
};

TEST_CASE("A4 soft reset: only of a domain that shut down for one") {
  ResetGuest guest;
  CHECK(guest.core.api->soft_reset(DomId{77}) == -XEN_ESRCH);
  CHECK(guest.core.api->soft_reset(Guest::kDom) == -XEN_EINVAL);
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_suspend}) == 0);
  CHECK(guest.core.api->soft_reset(Guest::kDom) == -XEN_EINVAL);
}

TEST_CASE("A4 soft reset: the vCPUs run on, and the domain may end for another reason later") {
  ResetGuest guest;
  guest.reset();
  CHECK(guest.runnable(0));
  CHECK(guest.runnable(1));
  CHECK(guest.platform.runnable[Guest::vcpu(1)] == true);
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_reboot}) == 0);
  CHECK(guest.platform.shutdowns == std::vector{xen::ShutdownReason::kSoftReset, xen::ShutdownReason::kReboot});
}

TEST_CASE("A4 soft reset: a vCPU that was down or blocked still is") {
  Guest guest(3);
  guest.core.api->wake(Guest::vcpu(1), true);
  guest.core.api->halt(Guest::vcpu(1), true);
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_soft_reset}) == 0);
  CHECK(guest.core.api->soft_reset(Guest::kDom) == 0);
  CHECK(guest.runnable(0));
  CHECK_FALSE(guest.runnable(1));
  CHECK(guest.vcpu_op(VCPUOP_is_up, 1) == 1);
  CHECK(guest.vcpu_op(VCPUOP_is_up, 2) == 0);
}

TEST_CASE("A4 soft reset: event channels are closed, the toolstack's two are bound again") {
  Guest guest;
  guest.add_domain(DomId{6});
  const uint32_t ipi = guest.bind_ipi(0);
  const uint32_t timer = guest.bind_virq(VIRQ_TIMER, 0);
  const uint32_t offered = guest.alloc_unbound(DomId{6});
  evtchn_bind_interdomain bind{};
  bind.remote_dom = Guest::kDom.v;
  bind.remote_port = offered;
  CHECK(guest.event_op(EVTCHNOP_bind_interdomain, bind, Guest::vcpu(0, DomId{6})) == 0);
  guest.mask(ipi);
  CHECK(guest.send(ipi) == 0);
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_soft_reset}) == 0);
  CHECK(guest.core.api->soft_reset(Guest::kDom) == 0);
  CHECK(guest.status(1).status == EVTCHNSTAT_interdomain);
  CHECK(guest.status(2).status == EVTCHNSTAT_interdomain);
  for (const uint32_t port : {ipi, timer, offered}) CHECK(guest.status(port).status == EVTCHNSTAT_closed);
  CHECK(guest.status(bind.local_port, Guest::vcpu(0, DomId{6})).status == EVTCHNSTAT_unbound);
  CHECK_FALSE(guest.pending(ipi));
  CHECK(guest.masked(ipi));
  CHECK(guest.bind_ipi(0) == ipi);
  CHECK(guest.bind_virq(VIRQ_TIMER, 0) == timer);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("B-X27: a soft reset forgets the areas, so that memory the next kernel uses otherwise stays whole") {
  for (const bool kvm : {false, true}) {
    ResetGuest guest(kvm ? kvm_flavour() : xen::Flavour{});
    guest.map_shared_info(kSharedGfn);
    guest.core.api->before_run(Guest::vcpu(0));
    guest.register_areas();
    guest.reset();
    std::array<uint8_t, 128> fill;
    fill.fill(0x5a);
    guest.platform.poke(kArea, fill);
    guest.platform.poke(kInfoGfn * kPageSize, fill);
    guest.run_on();
    CHECK(guest.platform.peek_as<std::array<uint8_t, 128>>(kArea) == fill);
    CHECK(guest.platform.peek_as<std::array<uint8_t, 128>>(kInfoGfn * kPageSize) == fill);
    CHECK(guest.shared().vcpu_info[0].time.system_time == guest.platform.time.v);  // back in shared_info
    CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{kInfoGfn, 0, 0}) == 0);
  }
}

TEST_CASE("A4 soft reset: a time area outlives it where shared_info was not mapped, on Xen") {
  ResetGuest guest;
  guest.register_areas();
  guest.reset();
  guest.run_on();
  CHECK(guest.platform.peek_as<vcpu_time_info>(kArea + 64).system_time == guest.platform.time.v);
}

TEST_CASE("A4 soft reset: a fresh page takes shared_info's place in the guest's map") {
  ResetGuest guest;
  guest.map_shared_info(kSharedGfn);
  const auto mapping = [&](uint64_t gfn) { return guest.platform.mappings[{Guest::kDom, Gfn{gfn}}]; };
  const Mfn shared{Guest::kSharedInfo >> kPageShift};
  CHECK(mapping(kSharedGfn) == shared);
  guest.reset();
  CHECK(mapping(kSharedGfn) != shared);
  CHECK(guest.platform.peek_as<uint64_t>((mapping(kSharedGfn).v << kPageShift) + 0xc00) == 0);
  guest.map_shared_info(kSharedGfn + 1);
  CHECK(mapping(kSharedGfn + 1) == shared);
  CHECK(mapping(kSharedGfn) != shared);
  CHECK(guest.platform.mappings.count({Guest::kDom, Gfn{kSharedGfn}}) == 1);  // no hole
}

TEST_CASE("A4 soft reset: timers, watchdogs, the callback and vm_assist outlive it on Xen") {
  ResetGuest guest;
  CHECK(guest.vcpu_op(VCPUOP_set_singleshot_timer, 0, vcpu_set_singleshot_timer{1'000'000'000, 0}) == 0);
  CHECK(guest.sched_op(SCHEDOP_watchdog, sched_watchdog{0, 60}) == 1);
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vm_assist, {VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag}) == 0);
  guest.reset();
  CHECK(guest.platform.timers.count({xen::TimerKind::kSingleshot, Guest::vcpu(0)}) == 1);
  CHECK(guest.sched_op(SCHEDOP_watchdog, sched_watchdog{1, 0}) == 0);
  const uint32_t port = guest.bind_ipi(0);
  CHECK(guest.send(port) == 0);
  CHECK(guest.core.api->pending_upcall(Guest::vcpu(0)).has_value());
}

TEST_CASE("A4 soft reset under KVM clears callback and timers") {
  ResetGuest guest(kvm_flavour());
  guest.bind_virq(VIRQ_TIMER, 0);
  CHECK(guest.vcpu_op(VCPUOP_set_singleshot_timer, 0, vcpu_set_singleshot_timer{1'000'000'000, 0}) == 0);
  guest.register_areas();
  guest.reset();
  CHECK(guest.platform.timers.empty());
  const uint32_t port = guest.bind_ipi(0);
  CHECK(guest.send(port) == 0);
  CHECK_FALSE(guest.core.api->pending_upcall(Guest::vcpu(0)).has_value());
}

}  // namespace
}  // namespace xensim
