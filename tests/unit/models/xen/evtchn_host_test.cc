// What the host-kernel domain may do with the channels of others, and what is told to it; ports of domain 0, where no
// such domain is.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

constexpr DomId kHost{1};
constexpr VcpuRef kHostVcpu{kHost, VcpuId{0}};

void add_host(Guest& guest) {
  xen::DomainConfig config;
  config.id = kHost;
  config.privileged = true;
  config.reserved_ports = 0;
  config.ram = {{Gpa{0}, FakePlatform::kRam, Maddr{0}}};
  XS_CHECK(guest.core.api->create_domain(config).has_value());
}

TEST_CASE("the host-kernel domain opens and asks for ports of others, and resets none that runs") {
  for (const bool mode64 : {true, false}) {
    Guest guest;
    add_host(guest);
    guest.mode64 = mode64;
    evtchn_alloc_unbound unbound{.dom = Guest::kDom.v, .remote_dom = DOMID_SELF, .port = 0};
    CHECK(guest.event_op(EVTCHNOP_alloc_unbound, unbound, kHostVcpu) == 0);
    evtchn_status status{};
    status.dom = Guest::kDom.v;
    status.port = unbound.port;
    CHECK(guest.event_op(EVTCHNOP_status, status, kHostVcpu) == 0);
    CHECK(status.status == EVTCHNSTAT_unbound);
    CHECK(status.u.unbound.dom == kHost.v);
    evtchn_reset reset{Guest::kDom.v};
    CHECK(guest.event_op(EVTCHNOP_reset, reset, kHostVcpu) == -XEN_EINVAL);
    evtchn_bind_interdomain bind{.remote_dom = Guest::kDom.v, .remote_port = unbound.port, .local_port = 0};
    CHECK(guest.event_op(EVTCHNOP_bind_interdomain, bind, kHostVcpu) == 0);
    CHECK(guest.send(bind.local_port, kHostVcpu) == 0);
    CHECK(guest.pending(unbound.port));
    CHECK(guest.core.inspector->broken_invariants().empty());
  }
}

TEST_CASE("the end of a domain is an event of the host-kernel domain") {
  Guest guest;
  add_host(guest);
  evtchn_bind_virq virq{.virq = VIRQ_DOM_EXC, .vcpu = 0, .port = 0};
  REQUIRE(guest.event_op(EVTCHNOP_bind_virq, virq, kHostVcpu) == 0);
  evtchn_bind_virq others{.virq = VIRQ_DOM_EXC, .vcpu = 0, .port = 0};
  REQUIRE(guest.event_op(EVTCHNOP_bind_virq, others) == 0);  // a guest may bind it, and waits for ever
  sched_poll poll{};
  poll.ports.p = reinterpret_cast<evtchn_port_t*>(0x2000);
  poll.nr_ports = 1;
  guest.platform.poke(0x2000, virq.port);
  CHECK(guest.sched_op(SCHEDOP_poll, poll, kHostVcpu) == 0);
  CHECK_FALSE(guest.core.api->is_runnable(kHostVcpu));
  CHECK(guest.sched_op(SCHEDOP_shutdown, sched_shutdown{SHUTDOWN_poweroff}) == 0);
  CHECK(guest.core.api->is_runnable(kHostVcpu));
  CHECK_FALSE(guest.pending(others.port));
}

TEST_CASE("ports of domain 0: none can be bound on Xen, KVM has the toolstack's there") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    const auto bind = [&](uint32_t port) {
      evtchn_bind_interdomain args{.remote_dom = 0, .remote_port = port, .local_port = 0};
      return guest.event_op(EVTCHNOP_bind_interdomain, args);
    };
    CHECK(bind(1) == (kvm ? -XEN_EBUSY : -XEN_EINVAL));
    CHECK(bind(9) == (kvm ? -XEN_ENOENT : -XEN_EINVAL));
    CHECK(bind(0) == -XEN_EINVAL);
    CHECK(bind(70'000) == -XEN_EINVAL);
    CHECK(guest.close(1) == 0);
    CHECK(bind(1) == (kvm ? 0 : -XEN_EINVAL));
    evtchn_status status{};
    status.port = 70'000;
    CHECK(guest.event_op(EVTCHNOP_status, status) == (kvm ? -XEN_ESRCH : -XEN_EINVAL));
    status.port = 1;
    CHECK(guest.event_op(EVTCHNOP_status, status) == (kvm ? -XEN_ESRCH : -XEN_EPERM));
    CHECK(guest.core.inspector->broken_invariants().empty());
  }
}

TEST_CASE("KVM looks at the port first, takes one before it looks at the VIRQ, and knows two remote domains") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{}, 5);
    evtchn_bind_vcpu move{.port = 70'000, .vcpu = 77};
    CHECK(guest.event_op(EVTCHNOP_bind_vcpu, move) == (kvm ? -XEN_EINVAL : -XEN_ENOENT));
    evtchn_alloc_unbound unbound{.dom = DOMID_SELF, .remote_dom = 77, .port = 0};
    CHECK(guest.event_op(EVTCHNOP_alloc_unbound, unbound) == (kvm ? -XEN_EPERM : 0));
    unbound.remote_dom = 0;
    CHECK(guest.event_op(EVTCHNOP_alloc_unbound, unbound) == 0);
    guest.bind_virq(VIRQ_TIMER, 0);
    evtchn_bind_ipi ipi{};
    while (guest.event_op(EVTCHNOP_bind_ipi, ipi) == 0) continue;
    evtchn_bind_virq virq{.virq = VIRQ_TIMER, .vcpu = 0, .port = 0};
    CHECK(guest.event_op(EVTCHNOP_bind_virq, virq) == (kvm ? -XEN_ENOSPC : -XEN_EEXIST));
    evtchn_bind_interdomain bind{.remote_dom = DOMID_SELF, .remote_port = 70'000, .local_port = 0};
    CHECK(guest.event_op(EVTCHNOP_bind_interdomain, bind) == (kvm ? -XEN_EINVAL : -XEN_ENOSPC));
  }
}

}  // namespace
}  // namespace xensim
