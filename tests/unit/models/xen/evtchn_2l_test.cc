// The 2-level ABI: the bits in guest memory, step by step, in both layouts.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

TEST_CASE("send to a port: pending, selector, upcall, kick") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  guest.platform.kicks.clear();
  CHECK(guest.send(port) == 0);
  const shared_info shared = guest.shared();
  CHECK(shared.evtchn_pending[0] == uint64_t{1} << port);
  CHECK(shared.vcpu_info[1].evtchn_pending_sel == 1);
  CHECK(shared.vcpu_info[1].evtchn_upcall_pending == 1);
  CHECK(shared.vcpu_info[0].evtchn_upcall_pending == 0);
  CHECK(guest.platform.kicks == std::vector<VcpuRef>{Guest::vcpu(1)});
}

TEST_CASE("send to a pending port stops at once") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  guest.send(port);
  guest.platform.kicks.clear();
  const uint64_t info = Guest::kSharedInfo + sizeof(vcpu_info);
  guest.platform.poke<uint8_t>(info, 0);
  CHECK(guest.send(port) == 0);
  CHECK(guest.shared().vcpu_info[1].evtchn_upcall_pending == 0);
  CHECK(guest.platform.kicks.empty());
}

TEST_CASE("each level that is set already stops the rest") {
  Guest guest(2);
  const uint32_t first = guest.bind_ipi(1), second = guest.bind_ipi(1);
  guest.send(first);
  guest.platform.kicks.clear();
  guest.send(second);  // the same selector word
  CHECK(guest.platform.kicks.empty());
  CHECK(guest.pending(second));
  guest.consume(1);
  guest.platform.poke<uint8_t>(Guest::kSharedInfo + sizeof(vcpu_info), 1);
  guest.send(second);  // a new selector bit, the upcall pending already
  CHECK(guest.shared().vcpu_info[1].evtchn_pending_sel == 1);
  CHECK(guest.platform.kicks.empty());
}

TEST_CASE("send to a masked port sets the pending bit alone, unmask delivers") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  guest.platform.kicks.clear();
  CHECK(guest.send(port) == 0);
  CHECK(guest.pending(port));
  CHECK(guest.shared().vcpu_info[1].evtchn_pending_sel == 0);
  CHECK(guest.platform.kicks.empty());
  CHECK(guest.unmask(port) == 0);
  CHECK_FALSE(guest.masked(port));
  CHECK(guest.shared().vcpu_info[1].evtchn_upcall_pending == 1);
  CHECK(guest.platform.kicks.size() == 1);
}

TEST_CASE("unmask of a port that is not pending, or not masked, tells nobody") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  guest.platform.kicks.clear();
  CHECK(guest.unmask(port) == 0);
  CHECK(guest.platform.kicks.empty());
  guest.send(port);
  guest.consume(1);
  guest.platform.kicks.clear();
  CHECK(guest.unmask(port) == 0);
  CHECK(guest.platform.kicks.empty());
}

TEST_CASE("unmask: closed ports") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    CHECK(guest.unmask(30) == (kvm ? -XEN_EINVAL : 0));
    CHECK(guest.unmask(64) == -XEN_EINVAL);
    CHECK(guest.unmask(~0u) == -XEN_EINVAL);
  }
}

TEST_CASE("unmask sees an event that is sent between its steps") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  // Sent after the mask was cleared and before pending is looked at: either side tells the vCPU, and only one of them.
  guest.platform.at_site(xen::Site::kEvtchnPending, 0, [&] {
    guest.platform.poke(0x2000, evtchn_send{port});
    guest.core.api->external_event(Guest::kDom, Port{port});
  });
  guest.platform.kicks.clear();
  CHECK(guest.unmask(port) == 0);
  CHECK(guest.shared().vcpu_info[1].evtchn_upcall_pending == 1);
  CHECK(guest.platform.kicks.size() == 1);
}

TEST_CASE("send: what nothing can be sent on") {
  Guest guest(2);
  CHECK(guest.send(0) == -XEN_EINVAL);
  CHECK(guest.send(40) == -XEN_EINVAL);
  CHECK(guest.send(64) == -XEN_EINVAL);
  CHECK(guest.send(~0u) == -XEN_EINVAL);
  CHECK(guest.send(guest.bind_virq(VIRQ_TIMER, 0)) == -XEN_EINVAL);
  const uint32_t unbound = guest.alloc_unbound(DomId{9});
  CHECK(guest.send(unbound) == 0);
  CHECK_FALSE(guest.pending(unbound));
  CHECK(guest.send(1) == 0);  // the toolstack's end is outside
}

TEST_CASE("32-bit layout: words of 32 bits, mask at 0x880") {
  Guest guest(2);
  guest.mode64 = false;
  guest.via_vector(0xf3);
  uint32_t port = 0;
  while (port < 40) port = guest.bind_ipi(1);
  CHECK(guest.send(port) == 0);
  xen::abi32::shared_info shared = guest.shared32();
  CHECK(shared.evtchn_pending[1] == 1u << 8);
  CHECK(shared.vcpu_info_[1].evtchn_pending_sel == 2);
  CHECK(shared.vcpu_info_[1].evtchn_upcall_pending == 1);

  guest.consume(1);
  guest.platform.poke<uint32_t>(Guest::kSharedInfo + 0x884, 1u << 8);
  CHECK(guest.send(port) == 0);
  CHECK(guest.shared32().vcpu_info_[1].evtchn_upcall_pending == 0);
  CHECK(guest.unmask(port) == 0);
  CHECK(guest.shared32().evtchn_mask[1] == 0);
  CHECK(guest.shared32().vcpu_info_[1].evtchn_upcall_pending == 1);
}

TEST_CASE("a port beyond the narrow layout stays inside the page") {
  Guest guest(1, {}, 4095);
  uint32_t port = 0;
  while (port < 4095) port = guest.bind_ipi(0);
  guest.mode64 = false;
  guest.via_vector(0xf3);
  CHECK(guest.send(port) == 0);
  CHECK(guest.close(port) == 0);
}

TEST_CASE("events from outside") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  CHECK(guest.core.api->external_event(Guest::kDom, Port{port}) == 0);
  CHECK(guest.pending(port));
  CHECK(guest.core.api->external_event(DomId{77}, Port{port}) == -XEN_ESRCH);
  CHECK(guest.core.api->external_event(Guest::kDom, Port{50}) == -XEN_EINVAL);
  CHECK(guest.core.api->external_event(Guest::kDom, Port{5000}) == -XEN_EINVAL);
}

TEST_CASE("hypercalls: privilege and numbers") {
  Guest guest;
  guest.cpl = 3;
  CHECK(guest.send(3) == -XEN_EPERM);
  guest.mode64 = false;
  CHECK(guest.send(3) == -XEN_EPERM);
  guest.cpl = 0;
  CHECK(guest.call(Guest::vcpu(0), 63) == -XEN_ENOSYS);
  CHECK(guest.call(Guest::vcpu(0), 0) == -XEN_ENOSYS);
  guest.mode64 = true;
  CHECK(guest.call(Guest::vcpu(0), uint64_t{1} << 32 | __HYPERVISOR_event_channel_op) == -XEN_ENOSYS);
  CHECK(guest.call(Guest::vcpu(0), ~uint64_t{0}) == -XEN_ENOSYS);
}

}  // namespace
}  // namespace xensim
