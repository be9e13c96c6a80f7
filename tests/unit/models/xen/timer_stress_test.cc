// Timers, runstate and vCPU lifecycle on real threads.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/stress.h"

namespace xensim {
namespace {

constexpr uint16_t kDom = 1;

void via_vector(Stress& stress) {
  xen_hvm_param param{};
  param.domid = DOMID_SELF;
  param.index = HVM_PARAM_CALLBACK_IRQ;
  param.value = uint64_t{HVM_PARAM_CALLBACK_TYPE_VECTOR} << 56 | 0xf3;
  XS_CHECK(stress.call_with(Stress::vcpu(kDom, 0), __HYPERVISOR_hvm_op, HVMOP_set_param, param) == 0);
}

// Each vCPU arms its timer, sleeps until the tick has come, and does it again: a tick that is lost is never made up
// for.
TEST_CASE("every armed timer wakes its vCPU") {
  Stress stress(1);
  via_vector(stress);
  for (uint32_t number = 0; number < stress.vcpus; ++number) {
    evtchn_bind_virq bind{VIRQ_TIMER, number, 0};
    XS_CHECK(stress.call_with(Stress::vcpu(kDom, number), __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, bind) ==
             0);
    XS_CHECK(bind.port == 3 + number);
  }
  std::atomic<uint32_t> running{stress.vcpus};
  std::atomic<bool> lost{false};
  const auto sleeper = [&](uint32_t number) {
    const VcpuRef self = Stress::vcpu(kDom, number);
    const uint64_t bit = uint64_t{1} << (3 + number);
    const Maddr info{Stress::kRam + number * sizeof(vcpu_info)};
    const Maddr pending{Stress::kRam + offsetof(shared_info, evtchn_pending)};
    Prng prng(number);
    for (unsigned round = 0; round < kStressRounds / 4 && !lost.load(); ++round) {
      const uint64_t deadline = stress.platform.now().v + 1 + prng.below(50'000);
      if (round % 2 == 0) {
        XS_CHECK(stress.call(self, __HYPERVISOR_set_timer_op, {deadline}) == 0);
      } else {
        vcpu_set_singleshot_timer args{deadline, 0};
        std::memcpy(stress.argument(self), &args, sizeof(args));
        const uint64_t at = Stress::argument_at(self);
        XS_CHECK(stress.call(self, __HYPERVISOR_vcpu_op, {VCPUOP_set_singleshot_timer, number, at}) == 0);
      }
      while ((stress.platform.rmw(xen::Site::kEvtchnPending, pending, 8, xen::Rmw::kAnd, ~bit, 0) & bit) == 0) {
        stress.call(self, __HYPERVISOR_sched_op, {SCHEDOP_block});
        if (!stress.sleep(self)) {
          lost.store(true);
          break;
        }
        stress.core.api->before_run(self);
        stress.platform.rmw(xen::Site::kUpcallPending, Maddr{info.v + offsetof(vcpu_info, evtchn_upcall_pending)}, 1,
                            xen::Rmw::kExchange, 0, 0);
        stress.platform.rmw(xen::Site::kPendingSel, Maddr{info.v + offsetof(vcpu_info, evtchn_pending_sel)}, 8,
                            xen::Rmw::kExchange, 0, 0);
      }
    }
    --running;
  };
  std::vector<std::function<void()>> bodies;
  for (uint32_t number = 0; number < stress.vcpus; ++number) bodies.emplace_back([&, number] { sleeper(number); });
  bodies.emplace_back([&] {
    while (running.load() != 0) {
      if (stress.platform.expire_due(*stress.core.api) == 0) std::this_thread::yield();
    }
  });
  stress.run(bodies);
  CHECK_FALSE(lost.load());
}

// All sorts of timer and vCPU operations at once, with expiries between; nothing may break, and accounted time is
// whole.
TEST_CASE("timers, areas and vCPU lifecycle race") {
  Stress stress(1);
  via_vector(stress);
  std::atomic<uint32_t> running{stress.vcpus};
  const auto body = [&](uint32_t number) {
    const VcpuRef self = Stress::vcpu(kDom, number);
    const uint64_t at = Stress::argument_at(self);
    Prng prng(number + 99);
    const auto vcpu_op = [&](uint64_t op, uint64_t target, uint64_t argument) {
      std::memcpy(stress.argument(self), &argument, sizeof(argument));
      std::memset(stress.argument(self) + 8, 0, 8);
      return stress.call(self, __HYPERVISOR_vcpu_op, {op, target, at});
    };
    for (unsigned round = 0; round < kStressRounds; ++round) {
      const uint64_t target = prng.below(stress.vcpus);
      switch (prng.below(10)) {
        case 0: vcpu_op(VCPUOP_set_periodic_timer, target, 1'000'000); break;
        case 1: vcpu_op(VCPUOP_stop_periodic_timer, target, 0); break;
        case 2: vcpu_op(VCPUOP_set_singleshot_timer, number, stress.platform.now().v + prng.below(10'000)); break;
        case 3: vcpu_op(VCPUOP_stop_singleshot_timer, number, 0); break;
        case 4: vcpu_op(VCPUOP_register_runstate_memory_area, number, at + 512); break;
        case 5: vcpu_op(VCPUOP_get_runstate_info, target, 0); break;
        case 6: vcpu_op(VCPUOP_register_vcpu_time_memory_area, target, at + 1024); break;
        case 7: stress.call(self, __HYPERVISOR_set_timer_op, {stress.platform.now().v + prng.below(10'000)}); break;
        case 8: stress.core.api->before_run(self); break;
        case 9:
          if (number != 0 && target != 0) vcpu_op(prng.below(2) == 0 ? VCPUOP_down : VCPUOP_up, target, 0);
          break;
      }
    }
    for (uint64_t target = 0; target < stress.vcpus; ++target) vcpu_op(VCPUOP_stop_periodic_timer, target, 0);
    --running;
  };
  std::vector<std::function<void()>> bodies;
  for (uint32_t number = 0; number < stress.vcpus; ++number) bodies.emplace_back([&, number] { body(number); });
  bodies.emplace_back([&] {
    while (running.load() != 0) {
      if (stress.platform.expire_due(*stress.core.api) == 0) std::this_thread::yield();
    }
  });
  stress.run(bodies);
  CHECK(stress.core.inspector->broken_invariants().empty());
  for (uint32_t number = 0; number < stress.vcpus; ++number) {
    const VcpuRef self = Stress::vcpu(kDom, 0);
    XS_CHECK(stress.call(self, __HYPERVISOR_vcpu_op, {VCPUOP_get_runstate_info, number, Stress::argument_at(self)}) ==
             0);
    vcpu_runstate_info info;
    std::memcpy(&info, stress.argument(self), sizeof(info));
    const uint64_t sum = info.time[0] + info.time[1] + info.time[2] + info.time[3];
    CHECK(sum <= stress.platform.now().v);
    CHECK(info.state_entry_time <= stress.platform.now().v);
  }
}

}  // namespace
}  // namespace xensim
