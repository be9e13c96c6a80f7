// Taking, binding, asking for and closing ports.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

constexpr uint32_t kFirstFree = 3;  // the toolstack has 1 and 2

TEST_CASE("ports are taken lowest first, after those of the toolstack") {
  Guest guest;
  CHECK(guest.bind_ipi(0) == kFirstFree);
  CHECK(guest.bind_ipi(1) == kFirstFree + 1);
  CHECK(guest.close(kFirstFree) == 0);
  CHECK(guest.alloc_unbound(DomId{9}) == kFirstFree);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("port space ends at the domain's limit") {
  Guest guest(1, {}, 5);
  for (int i = 0; i < 3; ++i) guest.bind_ipi(0);
  evtchn_bind_ipi ipi{};
  CHECK(guest.event_op(EVTCHNOP_bind_ipi, ipi) == -XEN_ENOSPC);
  evtchn_bind_virq virq{.virq = VIRQ_TIMER, .vcpu = 0, .port = 0};
  CHECK(guest.event_op(EVTCHNOP_bind_virq, virq) == -XEN_ENOSPC);
  evtchn_alloc_unbound unbound{.dom = DOMID_SELF, .remote_dom = 0, .port = 0};
  CHECK(guest.event_op(EVTCHNOP_alloc_unbound, unbound) == -XEN_ENOSPC);
  evtchn_bind_interdomain interdomain{.remote_dom = DOMID_SELF, .remote_port = 3, .local_port = 0};
  CHECK(guest.event_op(EVTCHNOP_bind_interdomain, interdomain) == -XEN_ENOSPC);
}

TEST_CASE("port space of the ABI: 1,024 in 32-bit mode, 4,096 in 64-bit mode") {
  for (const bool mode64 : {false, true}) {
    Guest guest(1, {}, 100'000);
    guest.mode64 = mode64;
    guest.via_vector(0xf3);
    uint32_t last = 0;
    evtchn_bind_ipi args{};
    while (guest.event_op(EVTCHNOP_bind_ipi, args) == 0) last = args.port;
    CHECK(last == (mode64 ? 4095 : 1023));
    CHECK(guest.event_op(EVTCHNOP_bind_ipi, args) == -XEN_ENOSPC);
  }
}

TEST_CASE("KVM has 4,095 ports where Xen's default has 1,023") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    uint32_t last = 0;
    evtchn_bind_ipi args{};
    while (guest.event_op(EVTCHNOP_bind_ipi, args) == 0) last = args.port;
    CHECK(last == (kvm ? 4095 : 1023));
  }
}

TEST_CASE("bind_ipi: no such vCPU") {
  Guest guest(2);
  evtchn_bind_ipi args{.vcpu = 2, .port = 0};
  CHECK(guest.event_op(EVTCHNOP_bind_ipi, args) == -XEN_ENOENT);
  args.vcpu = ~0u;
  CHECK(guest.event_op(EVTCHNOP_bind_ipi, args) == -XEN_ENOENT);
}

TEST_CASE("bind_virq: errors in the order in which Xen looks") {
  Guest guest(2);
  const auto bind = [&](uint32_t virq, uint32_t vcpu) {
    evtchn_bind_virq args{.virq = virq, .vcpu = vcpu, .port = 0};
    return guest.event_op(EVTCHNOP_bind_virq, args);
  };
  CHECK(bind(24, 0) == -XEN_EINVAL);
  CHECK(bind(~0u, 0) == -XEN_EINVAL);
  CHECK(bind(VIRQ_CONSOLE, 1) == -XEN_EINVAL);  // not a VIRQ of each vCPU
  CHECK(bind(VIRQ_TIMER, 2) == -XEN_ENOENT);
  CHECK(bind(VIRQ_TIMER, 1) == 0);
  CHECK(bind(VIRQ_TIMER, 1) == -XEN_EEXIST);
  CHECK(bind(VIRQ_TIMER, 0) == 0);
  CHECK(bind(VIRQ_CONSOLE, 0) == 0);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("a closed VIRQ may be bound again") {
  Guest guest;
  const uint32_t port = guest.bind_virq(VIRQ_TIMER, 1);
  CHECK(guest.close(port) == 0);
  CHECK(guest.bind_virq(VIRQ_TIMER, 1) == port);
}

TEST_CASE("alloc_unbound: domains") {
  Guest guest;
  evtchn_alloc_unbound args{.dom = 77, .remote_dom = 0, .port = 0};
  CHECK(guest.event_op(EVTCHNOP_alloc_unbound, args) == -XEN_ESRCH);
  args.dom = Guest::kDom.v;
  args.remote_dom = 0x1234;  // whether it exists plays no part
  CHECK(guest.event_op(EVTCHNOP_alloc_unbound, args) == 0);
  guest.add_domain(DomId{6});
  args.dom = 6;
  CHECK(guest.event_op(EVTCHNOP_alloc_unbound, args) == -XEN_EPERM);
}

TEST_CASE("bind_interdomain to oneself raises the new port, or does not") {
  for (const bool kvm : {false, true}) {
    Guest guest(2, kvm ? kvm_flavour() : xen::Flavour{});
    const uint32_t remote = guest.alloc_unbound(Guest::kDom);
    evtchn_bind_interdomain args{.remote_dom = DOMID_SELF, .remote_port = remote, .local_port = 0};
    REQUIRE(guest.event_op(EVTCHNOP_bind_interdomain, args) == 0);
    CHECK(guest.pending(args.local_port) == !kvm);
    CHECK_FALSE(guest.pending(remote));
    CHECK(guest.status(remote).status == EVTCHNSTAT_interdomain);
    CHECK(guest.status(remote).u.interdomain.port == args.local_port);
    CHECK(guest.send(args.local_port) == 0);
    CHECK(guest.pending(remote));
    CHECK(guest.core.inspector->broken_invariants().empty());
  }
}

TEST_CASE("bind_interdomain: errors give the port back") {
  Guest guest;
  const uint32_t for_other = guest.alloc_unbound(DomId{9});
  const auto bind = [&](uint16_t dom, uint32_t port) {
    evtchn_bind_interdomain args{.remote_dom = dom, .remote_port = port, .local_port = 0};
    return guest.event_op(EVTCHNOP_bind_interdomain, args);
  };
  CHECK(bind(77, 3) == -XEN_ESRCH);
  CHECK(bind(DOMID_SELF, for_other) == -XEN_EINVAL);
  CHECK(bind(DOMID_SELF, guest.bind_ipi(0)) == -XEN_EINVAL);
  CHECK(bind(DOMID_SELF, 0) == -XEN_EINVAL);
  CHECK(bind(DOMID_SELF, 100'000) == -XEN_EINVAL);
  CHECK(guest.bind_ipi(0) == for_other + 2);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("two domains: bind, send both ways, close turns the peer to unbound") {
  for (const uint16_t other_id : {uint16_t{2}, uint16_t{9}}) {
    Guest guest;
    const DomId other{other_id};
    guest.add_domain(other);
    const VcpuRef other_vcpu = Guest::vcpu(0, other);
    const uint32_t offered = guest.alloc_unbound(other);
    evtchn_bind_interdomain args{.remote_dom = Guest::kDom.v, .remote_port = offered, .local_port = 0};
    REQUIRE(guest.event_op(EVTCHNOP_bind_interdomain, args, other_vcpu) == 0);
    CHECK(guest.send(args.local_port, other_vcpu) == 0);
    CHECK(guest.pending(offered));
    CHECK(guest.send(offered) == 0);

    CHECK(guest.close(offered) == 0);
    CHECK_FALSE(guest.pending(offered));
    const evtchn_status status = guest.status(args.local_port, other_vcpu);
    CHECK(status.status == EVTCHNSTAT_unbound);
    CHECK(status.u.unbound.dom == Guest::kDom.v);
    CHECK(guest.send(args.local_port, other_vcpu) == 0);
    CHECK(guest.core.inspector->broken_invariants().empty());
  }
}

TEST_CASE("close while the peer closes, seen between two event locks") {
  Guest guest;
  guest.add_domain(DomId{2});
  const VcpuRef other = Guest::vcpu(0, DomId{2});
  const uint32_t offered = guest.alloc_unbound(DomId{2});
  evtchn_bind_interdomain args{.remote_dom = Guest::kDom.v, .remote_port = offered, .local_port = 0};
  REQUIRE(guest.event_op(EVTCHNOP_bind_interdomain, args, other) == 0);
  // Domain 5 must let go of its lock to take that of domain 2 first: there the peer goes away and the port is unbound.
  guest.platform.on_unlock = [&] { CHECK(guest.close(args.local_port, other) == 0); };
  CHECK(guest.close(offered) == -XEN_EINVAL);
  CHECK(guest.status(offered).status == EVTCHNSTAT_unbound);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("close: what cannot be closed") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    CHECK(guest.close(0) == -XEN_EINVAL);
    CHECK(guest.close(50) == (kvm ? -XEN_ENOENT : -XEN_EINVAL));
    CHECK(guest.close(5000) == -XEN_EINVAL);
    const uint32_t port = guest.bind_ipi(0);
    CHECK(guest.close(port) == 0);
    CHECK(guest.close(port) == (kvm ? -XEN_ENOENT : -XEN_EINVAL));
    CHECK(guest.close(1) == 0);
  }
}

TEST_CASE("close clears a pending event, but no mask") {
  Guest guest;
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  CHECK(guest.send(port) == 0);
  CHECK(guest.pending(port));
  CHECK(guest.close(port) == 0);
  CHECK_FALSE(guest.pending(port));
  CHECK(guest.masked(port));
}

TEST_CASE("status tells each state") {
  Guest guest(2);
  CHECK(guest.status(0).status == EVTCHNSTAT_closed);
  CHECK(guest.status(20).status == EVTCHNSTAT_closed);
  const evtchn_status ipi = guest.status(guest.bind_ipi(1));
  CHECK(ipi.status == EVTCHNSTAT_ipi);
  CHECK(ipi.vcpu == 1);
  const evtchn_status virq = guest.status(guest.bind_virq(VIRQ_DEBUG, 1));
  CHECK(virq.status == EVTCHNSTAT_virq);
  CHECK(virq.u.virq == VIRQ_DEBUG);
  const evtchn_status unbound = guest.status(guest.alloc_unbound(DomId{9}));
  CHECK(unbound.status == EVTCHNSTAT_unbound);
  CHECK(unbound.u.unbound.dom == 9);
}

TEST_CASE("status: errors") {
  Guest guest;
  guest.add_domain(DomId{6});
  evtchn_status args{};
  args.dom = 77;
  CHECK(guest.event_op(EVTCHNOP_status, args) == -XEN_ESRCH);
  args.dom = DOMID_SELF;
  args.port = 64;  // room is made for 64 at a time
  CHECK(guest.event_op(EVTCHNOP_status, args) == -XEN_EINVAL);
  args.dom = 6;
  args.port = 3;
  CHECK(guest.event_op(EVTCHNOP_status, args) == -XEN_EPERM);
  args.port = 64;
  CHECK(guest.event_op(EVTCHNOP_status, args) == -XEN_EINVAL);

  Guest kvm(1, kvm_flavour());
  args = {};
  args.dom = DOMID_SELF;
  CHECK(kvm.event_op(EVTCHNOP_status, args) == -XEN_EINVAL);
  CHECK(kvm.status(4000).status == EVTCHNSTAT_closed);
  args.port = 5000;
  CHECK(kvm.event_op(EVTCHNOP_status, args) == -XEN_EINVAL);
}

TEST_CASE("bind_vcpu moves what may move, and leaves a pending event where it is") {
  for (const bool kvm : {false, true}) {
    Guest guest(2, kvm ? kvm_flavour() : xen::Flavour{});
    const uint32_t port = guest.alloc_unbound(Guest::kDom);
    evtchn_bind_interdomain loop{.remote_dom = DOMID_SELF, .remote_port = port, .local_port = 0};
    REQUIRE(guest.event_op(EVTCHNOP_bind_interdomain, loop) == 0);
    guest.consume(0);
    guest.send(loop.local_port);
    CHECK(guest.shared().vcpu_info[0].evtchn_upcall_pending == 1);
    evtchn_bind_vcpu args{.port = port, .vcpu = 1};
    CHECK(guest.event_op(EVTCHNOP_bind_vcpu, args) == 0);
    CHECK(guest.status(port).vcpu == 1);
    CHECK(guest.shared().vcpu_info[1].evtchn_upcall_pending == (kvm ? 1 : 0));
  }
}

TEST_CASE("bind_vcpu: errors") {
  Guest guest(2);
  const auto bind = [&](uint32_t port, uint32_t vcpu) {
    evtchn_bind_vcpu args{.port = port, .vcpu = vcpu};
    return guest.event_op(EVTCHNOP_bind_vcpu, args);
  };
  const uint32_t ipi = guest.bind_ipi(0);
  CHECK(bind(ipi, 2) == -XEN_ENOENT);
  CHECK(bind(5000, 2) == -XEN_ENOENT);
  CHECK(bind(5000, 1) == -XEN_EINVAL);
  CHECK(bind(ipi, 1) == -XEN_EINVAL);
  CHECK(bind(guest.bind_virq(VIRQ_TIMER, 0), 1) == -XEN_EINVAL);
  CHECK(bind(0, 1) == -XEN_EINVAL);
  CHECK(bind(50, 1) == -XEN_EINVAL);
  CHECK(bind(guest.bind_virq(VIRQ_CONSOLE, 0), 1) == 0);
  CHECK(bind(guest.alloc_unbound(DomId{9}), 1) == 0);
}

TEST_CASE("a global VIRQ that was moved to another vCPU closes") {
  Guest guest(2);
  const uint32_t port = guest.bind_virq(VIRQ_CONSOLE, 0);
  evtchn_bind_vcpu args{.port = port, .vcpu = 1};
  REQUIRE(guest.event_op(EVTCHNOP_bind_vcpu, args) == 0);
  CHECK(guest.core.inspector->broken_invariants().empty());
  CHECK(guest.close(port) == 0);
  CHECK(guest.bind_virq(VIRQ_CONSOLE, 0) == port);
}

TEST_CASE("reset closes all ports, those of the toolstack too") {
  Guest guest(2);
  guest.add_domain(DomId{6});
  for (int i = 0; i < 100; ++i) guest.bind_ipi(1);
  guest.bind_virq(VIRQ_TIMER, 1);
  evtchn_reset args{DOMID_SELF};
  CHECK(guest.event_op(EVTCHNOP_reset, args) == 0);
  CHECK(guest.bind_ipi(0) == 1);
  CHECK(guest.bind_virq(VIRQ_TIMER, 1) == 2);
  args.dom = 77;
  CHECK(guest.event_op(EVTCHNOP_reset, args) == -XEN_ESRCH);
  args.dom = 6;
  CHECK(guest.event_op(EVTCHNOP_reset, args) == -XEN_EPERM);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("a reset while another is under way") {
  Guest guest(2);
  guest.bind_ipi(0);
  evtchn_reset args{DOMID_SELF};
  guest.platform.poke(Guest::kArgument, args);
  int64_t nested = 0;
  guest.platform.on_unlock = [&] {
    nested = guest.call(Guest::vcpu(1), __HYPERVISOR_event_channel_op, {EVTCHNOP_reset, Guest::kArgument});
  };
  CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_event_channel_op, {EVTCHNOP_reset, Guest::kArgument}) == 0);
  CHECK(nested == -XEN_EBUSY);
}

TEST_CASE("reset_cont goes on with a reset that is under way, and with no other") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(0);
  evtchn_reset args{DOMID_SELF};
  CHECK(guest.event_op(xen::kEvtchnopResetCont, args) == -XEN_EBUSY);
  CHECK(guest.status(port).status == EVTCHNSTAT_ipi);
  int64_t nested = -1;
  guest.platform.on_unlock = [&] {
    nested = guest.call(Guest::vcpu(1), __HYPERVISOR_event_channel_op, {xen::kEvtchnopResetCont, Guest::kArgument});
  };
  CHECK(guest.event_op(EVTCHNOP_reset, args) == 0);
  CHECK(nested == 0);
  CHECK(guest.bind_ipi(0) == 1);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("a port that is opened during a reset: -EAGAIN") {
  Guest guest(2);
  guest.platform.poke(0x2000, evtchn_bind_ipi{});
  unsigned unlocks = 0;
  std::function<void()> on_unlock = [&] {
    if (++unlocks < 8) {
      guest.platform.on_unlock = on_unlock;
    } else {  // port 1 is closed by now
      guest.call(Guest::vcpu(1), __HYPERVISOR_event_channel_op, {EVTCHNOP_bind_ipi, 0x2000});
    }
  };
  guest.platform.on_unlock = on_unlock;
  evtchn_reset args{DOMID_SELF};
  CHECK(guest.event_op(EVTCHNOP_reset, args) == -XEN_EAGAIN);
  CHECK(guest.platform.peek_as<evtchn_bind_ipi>(0x2000).port == 1);
  CHECK(guest.event_op(EVTCHNOP_reset, args) == 0);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("every sub-op with a bad address: -EFAULT, unknown ones: -ENOSYS") {
  Guest guest;
  const auto call = [&](uint32_t op) {
    return guest.call(Guest::vcpu(0), __HYPERVISOR_event_channel_op, {op, Guest::kBadAddress});
  };
  for (const bool mode64 : {true, false}) {
    guest.mode64 = mode64;
    for (uint32_t op = EVTCHNOP_bind_interdomain; op <= xen::kEvtchnopResetCont; ++op) CHECK(call(op) == -XEN_EFAULT);
    CHECK(call(15) == -XEN_ENOSYS);
    CHECK(call(~0u) == -XEN_ENOSYS);
  }
}

TEST_CASE("PIRQs can be bound, though none ever fires") {
  for (const bool kvm : {false, true}) {
    Guest guest(2, kvm ? kvm_flavour() : xen::Flavour{});
    const auto bind = [&](uint32_t number) {
      evtchn_bind_pirq args{.pirq = number, .flags = 0, .port = 0};
      return guest.event_op(EVTCHNOP_bind_pirq, args);
    };
    CHECK(bind(16) == 0);
    CHECK(guest.status(kFirstFree).status == EVTCHNSTAT_pirq);
    CHECK(guest.status(kFirstFree).u.pirq == 16);
    CHECK(bind(16) == (kvm ? -XEN_EBUSY : -XEN_EEXIST));
    CHECK(guest.send(kFirstFree) == -XEN_EINVAL);
    evtchn_bind_vcpu move{.port = kFirstFree, .vcpu = 1};
    CHECK(guest.event_op(EVTCHNOP_bind_vcpu, move) == 0);
    CHECK(guest.close(kFirstFree) == 0);
    CHECK(bind(16) == 0);
    CHECK(bind(100) == (kvm ? 0 : -XEN_EINVAL));
    CHECK(bind(300) == -XEN_EINVAL);
    CHECK(guest.core.inspector->broken_invariants().empty());
  }
}

TEST_CASE("domain 0 is there, where the toolstack runs") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    const int64_t expected = kvm ? -XEN_ESRCH : -XEN_EPERM;
    evtchn_alloc_unbound unbound{.dom = 0, .remote_dom = 0, .port = 0};
    CHECK(guest.event_op(EVTCHNOP_alloc_unbound, unbound) == expected);
    evtchn_reset reset{0};
    CHECK(guest.event_op(EVTCHNOP_reset, reset) == expected);
  }
}

}  // namespace
}  // namespace xensim
