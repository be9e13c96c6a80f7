// Scheduling points of an exploration: the strategy says which lane goes on, and that one does.
#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

// A vCPU that has passed so many points while others waited spins on something that it has no name for.
constexpr uint64_t kLongestTurn = 10'000;

// To what is due next: while vCPUs could still run, only where a host may keep them from it for so long. Where the
// scenario has a clock that jumps, after each time that a guest or the core has read it, too.
inline bool Machine::clock_can_advance(uint64_t lanes) const {
  const VirtualNs due = due_.next();
  if (due <= scenario_.time_limit) {
    if ((lanes & ~lanes_.spinning()) == 0) return true;
    if (due.v - std::min(due.v, context_.time.v) <= scenario_.clock.stall_ns) return true;
  }
  return scenario_.clock.jump_ns != 0 && clock_was_read_ && context_.time <= scenario_.time_limit;
}

inline uint64_t Machine::choosable_lanes() {
  const uint64_t lanes = lanes_.that_can_run(actors_.runnable());
  const uint64_t fresh = (lanes & ~lanes_.spinning()) | (clock_can_advance(lanes) ? lane_bit(kClockLane) : 0);
  return fresh != 0 ? fresh : spinning_lanes(lanes);
}

uint64_t Machine::runnable_lanes() const {
  const uint64_t lanes = lanes_.that_can_run(actors_.runnable());
  return lanes | (clock_can_advance(lanes) ? lane_bit(kClockLane) : 0);
}

bool Machine::decide(const PointKey& key) {
  ++outcome_.points;
  if (context_.time >= due_.next()) take_due();
  if (out_of_wall_time()) {
    exploration_.set_next(kStopRun);
    return true;
  }
  const unsigned here = lane();
  if (key.gives_way() || ++points_in_a_row_ > kLongestTurn) {
    points_in_a_row_ = 0;
    lanes_.spins(here);
  }
  Choice choice{outcome_.points, context_.time, here, choosable_lanes(), key, 0, {}};
  decided_ = choice.runnable != 0;
  if (decided_) return exploration_.decide(choice);
  exploration_.set_next(kStopRun);  // all wait for locks: the main loop says so
  return true;
}

void Machine::decide_anew(const PointKey& key) {
  Choice choice{outcome_.points, context_.time, lane(), choosable_lanes(), key, 0, {}};
  decided_ = true;
  exploration_.decide(choice);
}

void Machine::search_from_here() {
  if (!exploration_.before_marker()) return;
  exploration_.search_from_here();
  outcome_.points = outcome_.switches = 0;
}

// All spin: they look again, and time creeps.
uint64_t Machine::spinning_lanes(uint64_t runnable) {
  lanes_.look_again();
  advance_time(scenario_.clock.ns_per_spin);
  return runnable;
}

void Machine::advance_clock() {
  const VirtualNs now = context_.time;
  VirtualNs to = due_.anything_later() ? due_.next() : VirtualNs{~uint64_t{0}};
  if (scenario_.clock.jump_ns != 0 && clock_was_read_) to = std::min(to, VirtualNs{now.v + scenario_.clock.jump_ns});
  context_.time = std::max(now, to);
  clock_was_read_ = false;
  lanes_.look_again();
  take_due();
  if (!exploration_.collects()) return;
  exploration_.touched({object_of(ObjectSpace::kClock, 0), kWholeObject, AccessKind::kWrite});
  for (const auto& actor : actors_) {
    if (actor->info.kind != ActorKind::kVcpu) continue;
    exploration_.touched({object_of(ObjectSpace::kTimer, actor->id), kWholeObject, AccessKind::kWrite});
  }
}

void Machine::touch_rest(Maddr at, uint64_t bytes, AccessKind kind) {
  if (!exploration_.collects()) return;
  for (uint64_t word = (at.v >> 3) + 1; word <= (at.v + bytes - 1) >> 3; ++word) {
    exploration_.touched({object_of(ObjectSpace::kMemory, word), kWholeObject, kind});
  }
}

ObjectAccess Machine::vcpu_access(VcpuRef vcpu, ObjectSpace space, AccessKind kind) {
  return {object_of(space, actor_of(vcpu).id), kWholeObject, kind};
}

// The vCPU's own lane waits from here to the end: so both order with each of its steps.
void Machine::begin_handler(Actor& actor) {
  lanes_.begin_handler(actor.id);
  if (!exploration_.collects()) return;
  exploration_.touched({object_of(ObjectSpace::kUpcall, actor.id), kWholeObject, AccessKind::kWrite});
  exploration_.touched({object_of(ObjectSpace::kHandler, actor.id), kWholeObject, AccessKind::kWrite});
}

void Machine::end_handler(Actor& actor) {
  if (exploration_.collects()) {
    exploration_.touched({object_of(ObjectSpace::kHandler, actor.id), kWholeObject, AccessKind::kWrite});
  }
  lanes_.end_handler(actor.id);
}

void Machine::cut(const PointKey& key) {
  Actor& self = *current_;
  self.at = key.op;
  // The fiber is let go on by one that has made it current again.
  if (!can_follow_at_once(key)) {
    self.fiber->yield();
    return;
  }
  Actor& next = actors_[actor_of_lane(exploration_.next())];
  become(next);
  if (&next != &self) self.fiber->switch_to(*next.fiber);
}

bool Machine::resume(Actor& actor) {
  struct Cutting {
    bool& cutting;
    ~Cutting() { cutting = false; }
  } in_fiber{cutting_};
  cutting_ = exploring();
  actor.fiber->resume();
  return actor.fiber->done();
}

// Would the main loop do nothing but resume the vCPU that was chosen? On its way there and back a processor predicts
// each return wrongly, for it was called from another stack: that takes longer than all else at a point.
bool Machine::can_follow_at_once(const PointKey& key) const {
  const unsigned next_lane = exploration_.next();
  if (next_lane == kStopRun || next_lane == kClockLane || key.op == PointOp::kBlocked) return false;
  if (!fibers_follow_ || !cutting_ || finished_ || exploration_.fair() || soft_resets_.any()) return false;
  if (!actors_.is_runnable(actor_of_lane(next_lane))) return false;
  const Actor& next = actors_[actor_of_lane(next_lane)];
  return current_->info.kind == ActorKind::kVcpu && next.info.kind == ActorKind::kVcpu && !next.fiber->done();
}

// The actor of the lane that was chosen goes on.
void Machine::become(Actor& actor) {
  context_.actor = 0;  // the decision is the machine's
  if (exploring()) {
    const unsigned lane = exploration_.next();
    lanes_.goes_on(lane);
    actor.takes_interrupt = is_irq_lane(lane) && !lanes_.is_handling(actor.id);
    decided_ = false;
    points_in_a_row_ = 0;
  }
  if (current_ != &actor) {
    if (writer_ && exploring())
      writer_->write(traces::Decision{current_ != nullptr ? current_->id : ActorId{0}, actor.id});
    ++outcome_.switches;
  }
  current_ = &actor;
  context_.actor = actor.id;
}

void Machine::drive_owner(xen::LockState& lock) {
  Actor& owner = actors_[locks_.holder(lock).id];
  XS_CHECK_MSG(!owner.fiber->done(), fmt::format("{} holds {} and is gone", owner.label, xen::site_name(lock.site)));
  xen::LockState* const outer = locks_.drive(&lock);
  as_actor(owner, [&] { owner.fiber->resume(); });
  locks_.drive(outer);
}

}  // namespace xensim::sim
