// The FIFO ABI, step by step: queues, links, priorities, moves between queues, and guests that break the protocol.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/fifo_guest.h"

namespace xensim {
namespace {

using Ports = std::vector<uint32_t>;
constexpr uint32_t kP = FifoGuest::kPending, kM = FifoGuest::kMasked, kL = FifoGuest::kLinked, kB = FifoGuest::kBusy;

TEST_CASE("send: PENDING, LINKED, head, ready, upcall, kick, in both widths") {
  for (const bool wide : {true, false}) {
    FifoGuest guest(2, 1023, wide);
    guest.start();
    const uint32_t port = guest.bind_ipi(1);
    guest.platform.kicks.clear();
    CHECK(guest.send(port) == 0);
    CHECK(guest.word(port) == (kP | kL));
    CHECK(guest.block(1).ready == 1u << 7);
    CHECK(guest.block(1).head[7] == port);
    CHECK(guest.upcall(1));
    CHECK_FALSE(guest.upcall(0));
    CHECK(guest.platform.kicks == std::vector<VcpuRef>{Guest::vcpu(1)});
    // The bitmaps of the 2-level ABI are left alone.
    CHECK(guest.shared().evtchn_pending[0] == 0);
    CHECK(guest.shared().vcpu_info[1].evtchn_pending_sel == 0);
    CHECK(guest.handle(1) == Ports{port});
    CHECK(guest.word(port) == 0);
  }
}

TEST_CASE("events are handled in the order in which they came") {
  FifoGuest guest;
  guest.start();
  Ports ports;
  for (int i = 0; i < 4; ++i) ports.push_back(guest.bind_ipi(1));
  const Ports order{ports[2], ports[0], ports[3], ports[1]};
  guest.platform.kicks.clear();
  for (const uint32_t port : order) CHECK(guest.send(port) == 0);
  CHECK(guest.block(1).head[7] == order[0]);
  CHECK(guest.word(order[0]) == (kP | kL | order[1]));
  CHECK(guest.word(order[3]) == (kP | kL));
  // One upcall told of them all; a second send of the same event adds nothing.
  CHECK(guest.platform.kicks.size() == 1);
  CHECK(guest.send(order[1]) == 0);
  CHECK(guest.handle(1) == order);
  // The queue is empty: the next event makes a new head.
  guest.send(ports[1]);
  CHECK(guest.block(1).head[7] == ports[1]);
  CHECK(guest.handle(1) == Ports{ports[1]});
}

TEST_CASE("16 priorities, handled highest first") {
  FifoGuest guest;
  guest.start();
  Ports expected;
  for (uint32_t priority = 0; priority < 16; ++priority) {
    expected.push_back(guest.bind_ipi(0));
    CHECK(guest.set_priority(expected.back(), priority) == 0);
  }
  for (uint32_t i = 16; i-- > 0;) guest.send(expected[i]);
  CHECK(guest.block(0).ready == 0xffff);
  CHECK(guest.handle(0) == expected);
}

TEST_CASE("set_priority: errors, closed and bound anew, a port has the default again") {
  FifoGuest guest;
  CHECK(guest.set_priority(3, 0) == -XEN_ENOSYS);  // 2-level
  CHECK(guest.set_priority(64, 0) == -XEN_EINVAL);
  guest.start();
  CHECK(guest.set_priority(3, 0) == -XEN_EACCES);  // free
  CHECK(guest.set_priority(0, 0) == -XEN_EACCES);
  CHECK(guest.set_priority(3, 99) == -XEN_EACCES);
  CHECK(guest.set_priority(64, 0) == -XEN_EINVAL);
  const uint32_t port = guest.bind_ipi(0);
  CHECK(guest.set_priority(port, 16) == -XEN_EINVAL);
  CHECK(guest.set_priority(port, ~0u) == -XEN_EINVAL);
  CHECK(guest.set_priority(port, 15) == 0);
  guest.close(port);
  CHECK(guest.bind_ipi(0) == port);
  guest.send(port);
  CHECK(guest.block(0).head[7] == port);
}

TEST_CASE("a masked event is pending and not linked, unmask links it") {
  FifoGuest guest;
  guest.start();
  const uint32_t port = guest.bind_ipi(1);
  guest.set_word(port, kM);
  guest.platform.kicks.clear();
  CHECK(guest.send(port) == 0);
  CHECK(guest.word(port) == (kP | kM));
  CHECK(guest.platform.kicks.empty());
  CHECK(guest.unmask(port) == 0);
  CHECK(guest.word(port) == (kP | kL));
  CHECK(guest.handle(1) == Ports{port});
  // Not pending: it is unmasked, nobody is told.
  guest.set_word(port, kM);
  guest.platform.kicks.clear();
  CHECK(guest.unmask(port) == 0);
  CHECK(guest.word(port) == 0);
  CHECK(guest.platform.kicks.empty());
  CHECK(guest.unmask(30) == 0);
  CHECK(guest.unmask(64) == -XEN_EINVAL);
}

TEST_CASE("an event that moves to another queue: its old queue is known to be empty") {
  FifoGuest guest;
  guest.start();
  uint32_t from = 0, from2 = 0;
  const uint32_t moved = guest.loopback(from), other = guest.loopback(from2);
  guest.handle(0);
  guest.send(from);  // the last of vCPU 0's queue
  CHECK(guest.handle(0) == Ports{moved});
  CHECK(guest.bind_vcpu(moved, 1) == 0);
  guest.send(from);
  CHECK(guest.block(1).head[7] == moved);
  // Nothing is linked to it from vCPU 0's queue, whose last it was.
  guest.send(from2);
  CHECK(guest.word(moved) == (kP | kL));
  CHECK(guest.block(0).head[7] == other);
  CHECK(guest.handle(1) == Ports{moved});
  CHECK(guest.handle(0) == Ports{other});
}

TEST_CASE("an event that is on a queue stays there when its priority changes") {
  FifoGuest guest;
  guest.start();
  const uint32_t port = guest.bind_ipi(0);
  guest.send(port);
  CHECK(guest.set_priority(port, 2) == 0);
  guest.send(port);
  CHECK(guest.block(0).ready == 1u << 7);
  CHECK(guest.handle(0) == Ports{port});
  guest.send(port);
  CHECK(guest.block(0).ready == 1u << 2);
  CHECK(guest.handle(0) == Ports{port});
}

TEST_CASE("a priority that changes while the locks are taken is seen, one that never rests loses the event") {
  for (const unsigned changes : {1u, 3u}) {
    FifoGuest guest;
    guest.start();
    const uint32_t port = guest.bind_ipi(0);
    unsigned left = changes;
    std::function<void()> change = [&] {
      guest.platform.poke(0x2000, evtchn_set_priority{.port = port, .priority = 7 - left});
      guest.call(Guest::vcpu(1), __HYPERVISOR_event_channel_op, {EVTCHNOP_set_priority, 0x2000});
      // Each try looks at the last queue, the priority, and both again.
      if (--left != 0) guest.platform.at_site(xen::Site::kLastQueue, 1, change);
    };
    guest.platform.at_site(xen::Site::kLastQueue, 1, change);
    CHECK(guest.send(port) == 0);
    if (changes == 1) {
      CHECK(guest.block(0).ready == 1u << 6);
      CHECK(guest.handle(0) == Ports{port});
    } else {
      CHECK(guest.block(0).ready == 0);
      CHECK(guest.word(port) == 0);
    }
  }
}

TEST_CASE("the tail is consumed between the look at it and the link: a new head") {
  FifoGuest guest;
  guest.start();
  const uint32_t first = guest.bind_ipi(1), second = guest.bind_ipi(1);
  guest.send(first);
  Ports handled;
  // Accesses to event words: PENDING, MASKED, LINKED, the tail, then the link.
  guest.platform.at_site(xen::Site::kEventWord, 4, [&] { handled = guest.handle(1); });
  guest.send(second);
  CHECK(handled == Ports{first});
  CHECK(guest.word(first) == 0);  // BUSY was taken back
  CHECK(guest.block(1).head[7] == second);
  CHECK(guest.handle(1) == Ports{second});
}

TEST_CASE("a tail that is masked and unmasked meanwhile is linked on a later try") {
  FifoGuest guest;
  guest.start();
  const uint32_t first = guest.bind_ipi(1), second = guest.bind_ipi(1);
  guest.send(first);
  bool busy_seen = false;
  guest.platform.at_site(xen::Site::kEventWord, 4, [&] {
    guest.set_word(first, guest.word(first) | kM);
    guest.platform.at_site(xen::Site::kEventWord, 2, [&] {
      busy_seen = (guest.word(first) & kB) != 0;
      guest.set_word(first, guest.word(first) & ~kM);
    });
  });
  guest.send(second);
  CHECK(busy_seen);
  CHECK(guest.word(first) == (kP | kL | second));
  CHECK(guest.handle(1) == Ports{first, second});
}

TEST_CASE("a guest that never lets a tail rest: the sender goes on after a bounded number of tries") {
  FifoGuest guest;
  guest.start();
  const uint32_t first = guest.bind_ipi(1), second = guest.bind_ipi(1);
  guest.send(first);
  unsigned accesses = 0;
  std::function<void()> flip = [&] {
    guest.set_word(first, guest.word(first) ^ kM);
    if (++accesses < 100) guest.platform.at_site(xen::Site::kEventWord, 0, flip);
  };
  guest.platform.at_site(xen::Site::kEventWord, 4, flip);
  guest.platform.kicks.clear();
  CHECK(guest.send(second) == 0);
  CHECK(accesses == 1 + 1 + 1 + 4 + 1);  // one try, BUSY, a look, four tries, BUSY
  guest.platform.at_site(xen::Site::kCount, 0, nullptr);
  CHECK((guest.word(first) & (kB | EVTCHN_FIFO_LINK_MASK)) == 0);
  CHECK(guest.platform.kicks.empty());
}

TEST_CASE("garbage in guest memory leads nowhere") {
  FifoGuest guest;
  guest.start();
  const uint32_t first = guest.bind_ipi(0), second = guest.bind_ipi(0);
  for (uint32_t port = 0; port < 1024; ++port) guest.set_word(port, 0xffff'ffff);
  CHECK(guest.send(first) == 0);
  for (uint32_t port = 0; port < 1024; ++port) guest.set_word(port, kL | EVTCHN_FIFO_LINK_MASK);
  CHECK(guest.send(first) == 0);
  guest.set_word(first, 0);
  CHECK(guest.send(first) == 0);
  CHECK(guest.send(second) == 0);
  CHECK(guest.unmask(second) == 0);
  CHECK(guest.close(first) == 0);
  for (const std::string& broken : guest.core.inspector->broken_invariants()) FAIL_CHECK(broken);
}

TEST_CASE("poll: pending, woken, and not twice") {
  FifoGuest guest;
  guest.start();
  const uint32_t port = guest.bind_ipi(0);
  guest.platform.poke(0x2000, port);
  guest.core.api->wake(Guest::vcpu(1), true);
  sched_poll args{};
  args.ports.p = reinterpret_cast<evtchn_port_t*>(0x2000);
  args.nr_ports = 1;
  guest.set_word(port, kM);
  CHECK(guest.sched_op(SCHEDOP_poll, args, Guest::vcpu(1)) == 0);
  CHECK_FALSE(guest.runnable(1));
  guest.send(port);  // masked: no upcall, but the poller is woken
  CHECK(guest.runnable(1));
  CHECK(guest.sched_op(SCHEDOP_poll, args, Guest::vcpu(1)) == 0);
  CHECK(guest.runnable(1));  // pending still
  args.nr_ports = 1;
  guest.platform.poke(0x2000, 1000u);
  CHECK(guest.sched_op(SCHEDOP_poll, args, Guest::vcpu(1)) == -XEN_EINVAL);
}

TEST_CASE("close takes PENDING off, a port that is on a queue is not given out") {
  FifoGuest guest;
  guest.start();
  const uint32_t port = guest.bind_ipi(0);
  guest.send(port);
  CHECK(guest.close(port) == 0);
  CHECK(guest.word(port) == kL);
  const uint32_t next = guest.bind_ipi(0);
  CHECK(next == port + 1);
  CHECK(guest.handle(0).empty());
  CHECK(guest.bind_ipi(0) == port);
}

TEST_CASE("lost events are found: unmasked without a hypercall, and not on a queue") {
  FifoGuest guest;
  guest.start();
  const uint32_t port = guest.bind_ipi(0);
  guest.set_word(port, kM);
  guest.send(port);
  guest.core.api->halt(Guest::vcpu(0), true);
  CHECK(guest.core.inspector->lost_events().empty());
  guest.set_word(port, kP);
  REQUIRE(guest.core.inspector->lost_events().size() == 1);
  CHECK(guest.core.inspector->lost_events()[0].port == Port{port});
  CHECK(guest.core.inspector->describe_port(Guest::kDom, Port{port}) == "port 3: ipi, vCPU 0, pending, unmasked");
}

}  // namespace
}  // namespace xensim
