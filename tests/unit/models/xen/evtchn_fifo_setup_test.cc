// Turning to FIFO event channels and back: control blocks, the event array, limits, and what was pending before.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/fifo_guest.h"

namespace xensim {
namespace {

using Ports = std::vector<uint32_t>;

TEST_CASE("init_control: success and errors in Xen's order, in both widths") {
  for (const bool wide : {true, false}) {
    FifoGuest guest(2, 1023, wide);
    constexpr uint32_t kLast = 4096 - sizeof(evtchn_fifo_control_block);
    CHECK(guest.init_control(2, ~0ull, 4096) == -XEN_ENOENT);
    CHECK(guest.init_control(0, FifoGuest::kControlGfn, kLast + 8) == -XEN_EINVAL);
    CHECK(guest.init_control(0, FifoGuest::kControlGfn, ~0u) == -XEN_EINVAL);
    CHECK(guest.init_control(0, FifoGuest::kControlGfn, 4) == -XEN_EINVAL);
    CHECK(guest.init_control(0, 0x70000, 0) == -XEN_EINVAL);
    CHECK(guest.init_control(0, ~0ull, 0) == -XEN_EINVAL);
    // None of these has turned the domain to FIFO.
    CHECK(guest.set_priority(1, 0) == -XEN_ENOSYS);
    CHECK(guest.link_bits == 0);
    CHECK(guest.init_control(0, FifoGuest::kControlGfn, kLast) == 0);
    CHECK(guest.link_bits == 17);
    CHECK(guest.init_control(0) == -XEN_EINVAL);
    CHECK(guest.init_control(1, 0x70000, 0) == -XEN_EINVAL);
    CHECK(guest.init_control(1) == 0);
    CHECK(guest.set_priority(1, 0) == 0);
  }
}

TEST_CASE("init_control, expand_array, set_priority: bad address, and none on KVM") {
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    for (const uint32_t op : {EVTCHNOP_init_control, EVTCHNOP_expand_array, EVTCHNOP_set_priority}) {
      CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_event_channel_op, {op, Guest::kBadAddress}) ==
            (kvm ? -XEN_ENOSYS : -XEN_EFAULT));
    }
  }
}

TEST_CASE("expand_array: not before init_control, real pages alone, 128 of them") {
  FifoGuest guest;
  CHECK(guest.expand() == -XEN_EOPNOTSUPP);
  CHECK(guest.init_control(0) == 0);
  CHECK(guest.expand(0x70000) == -XEN_EINVAL);
  CHECK(guest.expand(~0ull) == -XEN_EINVAL);
  for (int page = 0; page < 128; ++page) CHECK(guest.expand(FifoGuest::kArrayGfn) == 0);
  CHECK(guest.expand(FifoGuest::kArrayGfn) == -XEN_ENOSPC);
  CHECK(guest.expand(0x70000) == -XEN_ENOSPC);
}

TEST_CASE("131,072 ports, whatever the width, the domain's own limit counts as before") {
  for (const uint32_t max_port : {131'071u, 200'000u, 5000u}) {
    FifoGuest guest(1, max_port, false);
    guest.checks_each_call = false;
    guest.init_control(0);
    uint32_t last = 0;
    evtchn_bind_ipi args{};
    while (guest.event_op(EVTCHNOP_bind_ipi, args) == 0) last = args.port;
    CHECK(last == std::min(max_port, 131'071u));
    CHECK(guest.event_op(EVTCHNOP_bind_ipi, args) == -XEN_ENOSPC);
    CHECK(guest.send(last) == 0);
    guest.check_invariants();
  }
}

TEST_CASE("an event in the 2-level bitmap is on its queue once it has a word") {
  FifoGuest guest;
  const uint32_t port = guest.bind_ipi(1), other = guest.bind_ipi(1);
  guest.send(port);
  guest.platform.poke<uint8_t>(Guest::kSharedInfo + sizeof(vcpu_info), 0);
  CHECK(guest.init_control(1) == 0);
  CHECK(guest.send(other) == 0);  // raised now, and kept too
  CHECK_FALSE(guest.upcall(1));
  CHECK(guest.init_control(0) == 0);
  CHECK(guest.expand() == 0);
  CHECK(guest.upcall(1));
  CHECK(guest.handle(1) == Ports{port, other});
}

TEST_CASE("an event of a vCPU without a control block is dropped") {
  FifoGuest guest;
  CHECK(guest.init_control(0) == 0);
  CHECK(guest.expand() == 0);
  const uint32_t port = guest.bind_ipi(1);
  CHECK(guest.send(port) == 0);
  CHECK(guest.word(port) == 0);
  CHECK_FALSE(guest.upcall(1));
}

TEST_CASE("reset turns back to 2-level channels, then FIFO may start anew") {
  FifoGuest guest;
  guest.start();
  const uint32_t port = guest.bind_ipi(0);
  guest.send(port);
  CHECK(guest.reset() == 0);
  CHECK(guest.set_priority(1, 0) == -XEN_ENOSYS);
  CHECK(guest.expand() == -XEN_EOPNOTSUPP);
  const uint32_t again = guest.bind_ipi(0);
  CHECK(again == 1);  // the toolstack's ports are closed too
  guest.send(again);
  CHECK(guest.pending(again));
  guest.handle(0);
  CHECK(guest.init_control(0) == 0);
  CHECK(guest.init_control(1) == 0);
  CHECK(guest.core.inspector->broken_invariants().empty());
}

TEST_CASE("pages of the guest's are held until reset") {
  FifoGuest guest;
  guest.start();
  const auto exchange = [&](uint32_t op, uint64_t gfn) {
    xen_memory_reservation args{};
    set_xen_guest_handle(args.extent_start, reinterpret_cast<xen_pfn_t*>(0x2000));
    guest.platform.poke<uint64_t>(0x2000, gfn);
    args.nr_extents = 1;
    args.domid = DOMID_SELF;
    guest.platform.poke(Guest::kArgument, args);
    return guest.call(Guest::vcpu(0), __HYPERVISOR_memory_op, {op, Guest::kArgument});
  };
  // Given back, but not free for another use: an event still finds its word.
  CHECK(exchange(XENMEM_decrease_reservation, FifoGuest::kArrayGfn) == 1);
  const uint32_t port = guest.bind_ipi(0);
  CHECK(guest.send(port) == 0);
  CHECK(guest.word(port) != 0);
  CHECK(guest.reset() == 0);
}

TEST_CASE("the array grows while another vCPU sends: the event is kept or on its queue") {
  FifoGuest guest;
  guest.init_control(0);
  guest.init_control(1);
  const uint32_t port = guest.bind_ipi(0);
  // The sender has seen no word; the page comes before it says so: on Xen too that event waits for the next one.
  guest.platform.at_site(xen::Site::kHeldEvent, 0, [&] {
    guest.platform.poke(0x2000, evtchn_expand_array{FifoGuest::kArrayGfn});
    guest.call(Guest::vcpu(1), __HYPERVISOR_event_channel_op, {EVTCHNOP_expand_array, 0x2000});
  });
  CHECK(guest.send(port) == 0);
  CHECK(guest.word(port) == 0);
  CHECK(guest.send(port) == 0);
  CHECK(guest.handle(0) == Ports{port});
}

}  // namespace
}  // namespace xensim
