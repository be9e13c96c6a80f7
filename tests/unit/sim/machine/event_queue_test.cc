// The event queue: order, ties, re-arming.
#include "sim/machine/event_queue.h"

#include <doctest/doctest.h>

using namespace xensim;
using namespace xensim::sim;

namespace {

DueId timer(uint32_t vcpu, xen::TimerKind kind = xen::TimerKind::kSingleshot) {
  return {DueKind::kXenTimer, {kind, {DomId{1}, VcpuId{vcpu}}}, 0};
}

}  // namespace

TEST_CASE("an empty queue is never due") {
  EventQueue queue;
  CHECK(queue.empty());
  CHECK(queue.next() == VirtualNs{~uint64_t{0}});
  CHECK_FALSE(queue.pop_due(VirtualNs{~uint64_t{0}}).has_value());
}

TEST_CASE("the earliest comes first, ties in the order of arming") {
  EventQueue queue;
  queue.arm(timer(3), VirtualNs{20});
  queue.arm(timer(2), VirtualNs{10});
  queue.arm(timer(1), VirtualNs{10});
  CHECK(queue.next() == VirtualNs{10});
  CHECK_FALSE(queue.pop_due(VirtualNs{9}).has_value());
  CHECK(queue.pop_due(VirtualNs{30}) == timer(2));
  CHECK(queue.pop_due(VirtualNs{30}) == timer(1));
  CHECK(queue.pop_due(VirtualNs{30}) == timer(3));
  CHECK(queue.empty());
}

TEST_CASE("re-arming replaces, cancelling forgets") {
  EventQueue queue;
  queue.arm(timer(0), VirtualNs{5});
  queue.arm(timer(0), VirtualNs{50});
  queue.arm(timer(0, xen::TimerKind::kPeriodic), VirtualNs{7});
  CHECK(queue.next() == VirtualNs{7});
  queue.cancel(timer(0, xen::TimerKind::kPeriodic));
  queue.cancel(timer(9));
  CHECK(queue.next() == VirtualNs{50});
  CHECK(queue.pop_due(VirtualNs{50}) == timer(0));
  CHECK(queue.empty());
}
