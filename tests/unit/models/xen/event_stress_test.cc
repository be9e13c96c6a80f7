// Event channels on real threads: whatever races, no event is lost and every channel stays whole.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/stress.h"

namespace xensim {
namespace {

constexpr uint16_t kDom = 1;

// A guest's side of the 2-level ABI on one vCPU: masks, clears, handles and unmasks what is pending for it.
class Receiver {
 public:
  Receiver(Stress& stress, VcpuRef self, std::vector<uint32_t> ports)
      : stress_(stress), platform_(stress.platform), self_(self), ports_(std::move(ports)) {}

  // Takes the upcall, if there is one, and hands each event to `handle`.
  template <class Handle>
  void take_upcall(uint64_t chance, Handle handle) {
    using xen::Rmw, xen::Site;
    if (platform_.rmw(Site::kUpcallPending, info(offsetof(vcpu_info, evtchn_upcall_pending)), 1, Rmw::kExchange, 0,
                      0) == 0) {
      return;
    }
    uint64_t words =
        platform_.rmw(Site::kPendingSel, info(offsetof(vcpu_info, evtchn_pending_sel)), 8, Rmw::kExchange, 0, 0);
    for (; words != 0; words &= words - 1) take_word(static_cast<unsigned>(__builtin_ctzll(words)), chance, handle);
  }

 private:
  Maddr info(uint64_t offset) const { return shared(self_.vcpu.v * sizeof(vcpu_info) + offset); }
  Maddr shared(uint64_t offset) const { return Maddr{Stress::kRam + offset}; }

  template <class Handle>
  void take_word(unsigned word, uint64_t chance, Handle handle) {
    using xen::Rmw, xen::Site;
    const Maddr pending = shared(offsetof(shared_info, evtchn_pending) + word * 8);
    const Maddr mask = shared(offsetof(shared_info, evtchn_mask) + word * 8);
    for (const uint32_t port : ports_) {
      const uint64_t bit = uint64_t{1} << (port % 64);
      if (port / 64 != word) continue;
      if ((platform_.load(Site::kEvtchnPending, pending, 8) & bit) == 0) continue;
      if ((platform_.load(Site::kEvtchnMask, mask, 8) & bit) != 0) continue;
      const bool masks = (chance + port) % 2 == 0;
      if (masks) platform_.rmw(Site::kEvtchnMask, mask, 8, Rmw::kOr, bit, 0);
      platform_.rmw(Site::kEvtchnPending, pending, 8, Rmw::kAnd, ~bit, 0);
      handle(port);
      if (masks) XS_CHECK(stress_.event_op(self_, EVTCHNOP_unmask, evtchn_unmask{port}) == 0);
    }
  }

  Stress& stress_;
  ThreadedPlatform& platform_;
  const VcpuRef self_;
  const std::vector<uint32_t> ports_;
};

void via_vector(Stress& stress) {
  xen_hvm_param param{};
  param.domid = DOMID_SELF;
  param.index = HVM_PARAM_CALLBACK_IRQ;
  param.value = uint64_t{HVM_PARAM_CALLBACK_TYPE_VECTOR} << 56 | 0xf3;
  XS_CHECK(stress.call_with(Stress::vcpu(kDom, 0), __HYPERVISOR_hvm_op, HVMOP_set_param, param) == 0);
}

// Every vCPU has two ports, which all the others send to. Who sends counts first; a receiver that has slept for its
// last event has seen the final count, unless one was lost. After its last round each sends one event more to every
// port, and the last of them does so once all are done: so there is always one that ends a receiver's sleep.
TEST_CASE("every send arrives at a vCPU that sleeps until it does") {
  Stress stress(1);
  via_vector(stress);
  constexpr uint32_t kPorts = 8;
  std::array<std::atomic<uint64_t>, kPorts> sent{};
  std::array<std::atomic<uint64_t>, kPorts> seen{};
  std::array<uint32_t, kPorts> ports{};
  for (uint32_t i = 0; i < kPorts; ++i) {
    evtchn_bind_ipi bind{i % stress.vcpus, 0};
    XS_CHECK(stress.call_with(Stress::vcpu(kDom, 0), __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, bind) == 0);
    ports[i] = bind.port;
  }
  std::atomic<uint32_t> sending{stress.vcpus};
  std::atomic<bool> lost{false};

  const auto body = [&](uint32_t number) {
    const VcpuRef self = Stress::vcpu(kDom, number);
    Prng prng(number);
    Receiver receiver(stress, self, {ports[number], ports[number + stress.vcpus]});
    const auto handle = [&](uint32_t port) {
      for (uint32_t i = 0; i < kPorts; ++i) {
        if (ports[i] == port) seen[i].store(sent[i].load());
      }
    };
    for (unsigned round = 0; round < kStressRounds; ++round) {
      const auto target = static_cast<uint32_t>(prng.below(kPorts));
      ++sent[target];
      XS_CHECK(stress.send(self, ports[target]) == 0);
      receiver.take_upcall(prng.next(), handle);
    }
    --sending;
    for (uint32_t target = 0; target < kPorts; ++target) {
      ++sent[target];
      XS_CHECK(stress.send(self, ports[target]) == 0);
    }
    const auto seen_all = [&](uint32_t i) { return seen[i].load() == sent[i].load(); };
    for (;;) {
      // Read before the counts, and again before sleeping: were the last sender done in between, the last event could
      // have been seen, and the vCPU would go to sleep with nobody left to wake it.
      const bool all_done = sending.load() == 0;
      receiver.take_upcall(prng.next(), handle);
      if (lost.load() || (all_done && seen_all(number) && seen_all(number + stress.vcpus))) return;
      if (!all_done && sending.load() == 0) continue;
      stress.call(self, __HYPERVISOR_sched_op, {SCHEDOP_block});
      if (!stress.sleep(self)) {
        lost.store(true);
        stress.platform.release_all();
        return;
      }
    }
  };
  std::vector<std::function<void()>> bodies;
  for (uint32_t number = 0; number < stress.vcpus; ++number) bodies.emplace_back([&, number] { body(number); });
  stress.run(bodies);
  CHECK_FALSE(lost.load());
  CHECK(stress.wrong().empty());
}

// Ping-pong by SCHEDOP_poll on a masked port: each side sleeps until the other has sent.
TEST_CASE("a poll is ended by the event that it waits for") {
  Stress stress(1);
  via_vector(stress);
  std::array<uint32_t, 4> ports{};
  for (uint32_t i = 0; i < 4; ++i) {
    evtchn_bind_ipi bind{i, 0};
    XS_CHECK(stress.call_with(Stress::vcpu(kDom, 0), __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, bind) == 0);
    ports[i] = bind.port;
    stress.platform.rmw(xen::Site::kEvtchnMask, Maddr{Stress::kRam + offsetof(shared_info, evtchn_mask)}, 8,
                        xen::Rmw::kOr, uint64_t{1} << bind.port, 0);
  }
  std::array<std::atomic<unsigned>, 4> turn{};
  std::atomic<bool> lost{false};
  const auto body = [&](uint32_t number) {
    const VcpuRef self = Stress::vcpu(kDom, number);
    const uint32_t peer = number ^ 1;
    const Maddr pending{Stress::kRam + offsetof(shared_info, evtchn_pending)};
    for (unsigned round = 1; round <= kStressRounds / 4; ++round) {
      ++turn[peer];
      XS_CHECK(stress.send(self, ports[peer]) == 0);
      while (turn[number].load() < round && !lost.load()) {
        // sched_poll {ports, nr_ports, timeout} with the list of ports behind it.
        sched_poll poll{};
        set_xen_guest_handle_raw(poll.ports, reinterpret_cast<evtchn_port_t*>(Stress::argument_at(self) + 64));
        poll.nr_ports = 1;
        std::memcpy(stress.argument(self) + 64, &ports[number], sizeof(uint32_t));
        XS_CHECK(stress.call_with(self, __HYPERVISOR_sched_op, SCHEDOP_poll, poll) == 0);
        if (!stress.sleep(self)) {
          lost.store(true);
          stress.platform.release_all();
          return;
        }
        stress.platform.rmw(xen::Site::kEvtchnPending, pending, 8, xen::Rmw::kAnd, ~(uint64_t{1} << ports[number]), 0);
      }
    }
  };
  std::vector<std::function<void()>> bodies;
  for (uint32_t number = 0; number < 4; ++number) bodies.emplace_back([&, number] { body(number); });
  stress.run(bodies);
  CHECK_FALSE(lost.load());
}

// One step of a guest that binds, closes and sends as chance has it, on ports that all vCPUs of both domains share.
void churn(Stress& stress, VcpuRef self, Prng& prng) {
  const auto port = static_cast<uint32_t>(prng.below(24));
  const auto other = static_cast<domid_t>(3 - self.dom.v);
  switch (prng.below(12)) {
    case 0: stress.event_op(self, EVTCHNOP_alloc_unbound, evtchn_alloc_unbound{DOMID_SELF, other, 0}); return;
    case 1: stress.event_op(self, EVTCHNOP_bind_interdomain, evtchn_bind_interdomain{other, port, 0}); return;
    case 2: stress.event_op(self, EVTCHNOP_bind_virq, evtchn_bind_virq{VIRQ_TIMER, port % stress.vcpus, 0}); return;
    case 3: stress.event_op(self, EVTCHNOP_bind_ipi, evtchn_bind_ipi{port % stress.vcpus, 0}); return;
    case 4:
    case 5: stress.event_op(self, EVTCHNOP_close, evtchn_close{port}); return;
    case 6: stress.event_op(self, EVTCHNOP_bind_vcpu, evtchn_bind_vcpu{port, port % stress.vcpus}); return;
    case 7: stress.event_op(self, EVTCHNOP_unmask, evtchn_unmask{port}); return;
    case 8: {
      evtchn_status status{};
      status.dom = DOMID_SELF;
      status.port = port;
      stress.event_op(self, EVTCHNOP_status, status);
      return;
    }
    case 9: stress.core.api->external_event(self.dom, Port{port}); return;
    default: stress.send(self, port); return;
  }
}

// Turns the domain to FIFO channels, if it has none yet.
void use_fifo(Stress& stress, uint16_t dom) {
  const VcpuRef self = Stress::vcpu(dom, 0);
  for (uint32_t vcpu = 0; vcpu < 2; ++vcpu) {
    stress.event_op(self, EVTCHNOP_init_control, evtchn_init_control{20 + vcpu, 0, vcpu, 0, {}});
  }
  stress.event_op(self, EVTCHNOP_expand_array, evtchn_expand_array{22});
}

TEST_CASE("bind, close and send race on shared ports of two domains") {
  bool fifo = false;
  SUBCASE("2-level") {}
  SUBCASE("FIFO") { fifo = true; }
  Stress stress(2, 2);
  for (uint16_t dom = 1; fifo && dom <= 2; ++dom) use_fifo(stress, dom);
  std::vector<std::function<void()>> bodies;
  for (uint16_t dom = 1; dom <= 2; ++dom) {
    for (uint32_t number = 0; number < 2; ++number) {
      bodies.emplace_back([&stress, dom, number] {
        Prng prng(dom * 16 + number);
        for (unsigned round = 0; round < 4 * kStressRounds; ++round) churn(stress, Stress::vcpu(dom, number), prng);
      });
    }
  }
  stress.run(bodies);
  CHECK(stress.core.inspector->broken_invariants().empty());
}

TEST_CASE("resets race with binds and sends of the other domain") {
  Stress stress(2, 2);
  const auto reset = [&](uint16_t dom) {
    for (unsigned round = 0; round < kStressRounds / 8; ++round) {
      if (round % 2 == 0) use_fifo(stress, dom);
      stress.event_op(Stress::vcpu(dom, 0), EVTCHNOP_reset, evtchn_reset{DOMID_SELF});
    }
  };
  const auto work = [&](uint16_t dom) {
    Prng prng(dom);
    for (unsigned round = 0; round < 2 * kStressRounds; ++round) churn(stress, Stress::vcpu(dom, 1), prng);
  };
  stress.run({[&] { reset(1); }, [&] { reset(2); }, [&] { work(1); }, [&] { work(2); }});
  for (uint16_t dom = 1; dom <= 2; ++dom) {
    CHECK(stress.event_op(Stress::vcpu(dom, 0), EVTCHNOP_reset, evtchn_reset{DOMID_SELF}) == 0);
  }
  CHECK(stress.wrong().empty());
}

}  // namespace
}  // namespace xensim
