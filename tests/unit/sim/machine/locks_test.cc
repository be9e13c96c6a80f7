// Locks with actors that hold them and wait for them, without a machine.
#include "sim/machine/locks.h"

#include <doctest/doctest.h>

#include "models/base/check.h"

using namespace xensim;
using namespace xensim::sim;

namespace {

// Three vCPUs that could all go on.
struct Fixture {
  Fixture() {
    for (uint32_t v = 0; v < 3; ++v) {
      Actor& actor = actors.add({ActorKind::kVcpu, {DomId{1}, VcpuId{v}}, "guest"}, "vcpu");
      actors.set_runnable(actor, true);
    }
  }
  Actors actors;
  Locks locks{actors};
  xen::LockState lock{xen::Site{}, DomId{1}};
  xen::LockState other{xen::Site{}, DomId{1}};
};

TEST_CASE_FIXTURE(Fixture, "a writer holds a lock alone") {
  CHECK(Locks::is_free(lock, true));
  locks.take(lock, actors[1]);
  CHECK_FALSE(Locks::is_free(lock, true));
  CHECK_FALSE(Locks::is_free(lock, false));
  CHECK(Locks::is_writer(lock, actors[1]));
  CHECK_FALSE(Locks::is_writer(lock, actors[0]));
  CHECK(&locks.holder(lock) == &actors[1]);
  Locks::release(lock);
  CHECK(Locks::is_free(lock, true));
  locks.take(lock, actors[0]);
  CHECK(Locks::is_writer(lock, actors[0]));
}

TEST_CASE_FIXTURE(Fixture, "readers share a lock, and a writer waits for the last of them") {
  locks.take_shared(lock, actors[0]);
  CHECK(Locks::is_free(lock, false));
  CHECK_FALSE(Locks::is_free(lock, true));
  locks.take_shared(lock, actors[2]);
  locks.take_shared(other, actors[1]);
  CHECK(&locks.holder(lock) == &actors[0]);
  locks.release_shared(lock, actors[0]);
  CHECK(&locks.holder(lock) == &actors[2]);
  CHECK_FALSE(Locks::is_free(lock, true));
  locks.release_shared(lock, actors[2]);
  CHECK(Locks::is_free(lock, true));
  CHECK(&locks.holder(other) == &actors[1]);
}

TEST_CASE_FIXTURE(Fixture, "nobody releases what is not held, and nobody holds a free lock") {
  CHECK_THROWS_AS(locks.holder(lock), CheckFailure);
  locks.take_shared(lock, actors[0]);
  CHECK_THROWS_AS(locks.release_shared(lock, actors[1]), CheckFailure);
  CHECK_THROWS_AS(locks.release_shared(other, actors[0]), CheckFailure);
}

TEST_CASE_FIXTURE(Fixture, "those that wait cannot go on until their own lock is free") {
  locks.take(lock, actors[0]);
  locks.take(other, actors[0]);
  locks.wait(actors[1], lock);
  locks.wait(actors[2], other);
  CHECK(actors.runnable() == 0b001);
  locks.wake_waiters(lock);
  CHECK(actors.runnable() == 0b011);
  CHECK(actors[1].waiting == nullptr);
  CHECK(actors[2].waiting == &other);
  locks.wake_waiters(lock);
  CHECK(actors.runnable() == 0b011);
  locks.wake_waiters(other);
  CHECK(actors.runnable() == 0b111);
}

TEST_CASE_FIXTURE(Fixture, "one that no longer waits is not woken twice") {
  locks.wait(actors[1], lock);
  locks.wait(actors[2], lock);
  locks.stop_waiting(actors[1]);
  locks.stop_waiting(actors[1]);
  CHECK(actors[1].waiting == nullptr);
  locks.wake_waiters(lock);
  CHECK(actors[2].waiting == nullptr);
  CHECK(actors[2].can_run());
}

TEST_CASE_FIXTURE(Fixture, "a lock that is driven gives back the one before") {
  CHECK_FALSE(locks.is_driven(lock));
  xen::LockState* const outer = locks.drive(&lock);
  CHECK(outer == nullptr);
  xen::LockState* const inner = locks.drive(&other);
  CHECK(inner == &lock);
  CHECK(locks.is_driven(other));
  CHECK_FALSE(locks.is_driven(lock));
  locks.drive(inner);
  CHECK(locks.is_driven(lock));
  locks.reset();
  CHECK_FALSE(locks.is_driven(lock));
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "those whose next operation is a lock cannot go on while it is held against them") {
  locks.want(actors[0], lock, true);
  locks.want(actors[1], lock, false);
  CHECK(actors.runnable() == 0b111);
  locks.take_shared(lock, actors[2]);
  CHECK(actors.runnable() == 0b110);  // a reader could come in, a writer not
  locks.release_shared(lock, actors[2]);
  locks.wake_waiters(lock);
  CHECK(actors.runnable() == 0b111);
  locks.wants_no_more(actors[0]);
  locks.take(lock, actors[0]);
  CHECK(actors.runnable() == 0b101);
  locks.want(actors[2], lock, true);  // held already
  CHECK(actors.runnable() == 0b001);
  Locks::release(lock);
  locks.wake_waiters(lock);
  CHECK(actors.runnable() == 0b111);
  locks.wants_no_more(actors[1]);
  locks.wants_no_more(actors[2]);
  locks.take(lock, actors[1]);
  CHECK(actors.runnable() == 0b111);
}
