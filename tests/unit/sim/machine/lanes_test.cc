// Lanes, and what the default choice among them is; accesses and when they conflict.
#include "sim/machine/lanes.h"

#include <doctest/doctest.h>

using namespace xensim;
using namespace xensim::sim;

namespace {

unsigned default_of(unsigned current, uint64_t runnable, PointOp op = PointOp::kGuest) {
  const PointKey key{op, 0, nullptr};
  return default_choice({1, VirtualNs{0}, current, runnable, key, 0, {}});
}

}  // namespace

TEST_CASE("a vCPU's interrupt is a lane while it could be taken, and the vCPU's only one while it is handled") {
  Lanes lanes;
  CHECK(lanes.that_can_run(0b110) == 0b110);
  lanes.set_interrupt(1, true);
  CHECK(lanes.that_can_run(0b110) == (0b110 | lane_bit(irq_lane(1))));
  CHECK(lanes.that_can_run(0b100) == 0b100);  // it waits for something
  lanes.begin_handler(1);
  CHECK(lanes.of(1) == irq_lane(1));
  CHECK(lanes.that_can_run(0b110) == (0b100 | lane_bit(irq_lane(1))));
  lanes.end_handler(1);
  CHECK(lanes.of(1) == 1);
  CHECK(lanes.that_can_run(0b110) == 0b110);
}

TEST_CASE("a lane that spins looks again when another has written") {
  Lanes lanes;
  lanes.spins(1);
  lanes.spins(2);
  CHECK(lanes.spinning() == 0b110);
  lanes.wrote(2);
  CHECK(lanes.spinning() == 0b100);
  lanes.goes_on(2);
  CHECK(lanes.spinning() == 0);
  lanes.spins(1);
  lanes.look_again();
  CHECK(lanes.spinning() == 0);
}

TEST_CASE("by default a lane goes on, interrupts come first, and the clock last") {
  CHECK(default_of(1, 0b110) == 1);
  CHECK(default_of(1, 0b110, PointOp::kPause) == 2);
  CHECK(default_of(2, 0b110, PointOp::kPause) == 1);
  CHECK(default_of(1, 0b101) == 2);
  CHECK(default_of(2, 0b011) == 1);
  CHECK(default_of(1, 0b001) == kClockLane);
  CHECK(default_of(1, 0b110 | lane_bit(irq_lane(1))) == irq_lane(1));
  CHECK(default_of(1, 0b110 | lane_bit(irq_lane(2))) == 1);
  CHECK(default_of(1, 0b100 | lane_bit(irq_lane(2)), PointOp::kBlocked) == irq_lane(2));
  CHECK(default_of(irq_lane(1), 0b100 | lane_bit(irq_lane(1))) == irq_lane(1));  // a handler goes on
  CHECK(default_of(irq_lane(1), 0b100, PointOp::kBlocked) == 2);
  CHECK(default_of(kClockLane, 0b110, PointOp::kDone) == 1);
}

TEST_CASE("accesses conflict where bits of one object are written") {
  const auto at = [](uint64_t address, unsigned bytes, AccessKind kind, uint64_t bits = kWholeObject) {
    return word_access(Maddr{address}, bytes, kind, bits);
  };
  const ObjectAccess low = at(64, 4, AccessKind::kWrite), high = at(68, 4, AccessKind::kRead);
  CHECK(low.mask == 0xffffffff);
  CHECK(high.mask == 0xffffffff00000000);
  CHECK_FALSE(conflicts(low, high));
  CHECK(conflicts(low, at(64, 8, AccessKind::kRead)));
  CHECK_FALSE(conflicts(at(64, 8, AccessKind::kRead), at(64, 1, AccessKind::kRead)));
  CHECK_FALSE(conflicts(at(64, 8, AccessKind::kWrite, 1), at(64, 8, AccessKind::kWrite, 2)));
  CHECK_FALSE(conflicts(low, at(72, 4, AccessKind::kWrite)));
  CHECK_FALSE(conflicts(ObjectAccess{}, ObjectAccess{0, kWholeObject, AccessKind::kWrite}));
  const ObjectAccess lock{object_of(ObjectSpace::kLock, 1), kWholeObject, AccessKind::kLock};
  const ObjectAccess reader{lock.object, kWholeObject, AccessKind::kLockShared};
  CHECK(conflicts(lock, reader));
  CHECK_FALSE(conflicts(reader, reader));
}
