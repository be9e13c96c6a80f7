// Scheduling points of an exploration: the strategy says who goes on, and that one does.
#include <fmt/format.h>

#include "models/base/check.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

bool Machine::decide(const PointKey& key) {
  ++outcome_.points;
  advance_time(scenario_.clock.ns_per_point);
  if (context_.time >= due_.next()) take_due();
  if (out_of_wall_time()) [[unlikely]] {
    exploration_.set_next(0);
    return true;
  }
  return exploration_.decide({outcome_.points, context_.time, current_->id, actors_.runnable(), key, 0});
}

void Machine::cut(const PointKey& key) {
  Actor& self = *current_;
  self.at = key.op;
  // Whoever lets this fiber go on has made it current again.
  if (!can_follow_at_once(key)) return self.fiber->yield();
  Actor& next = actors_[exploration_.next()];
  become(next);
  self.fiber->switch_to(*next.fiber);
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
  if (!fibers_follow_ || !cutting_ || finished_ || exploration_.fair() || soft_resets_.any()) return false;
  if (key.op == PointOp::kBlocked || !actors_.is_runnable(exploration_.next())) return false;
  const Actor& next = actors_[exploration_.next()];
  return current_->info.kind == ActorKind::kVcpu && next.info.kind == ActorKind::kVcpu && &next != current_ &&
         !next.fiber->done();
}

void Machine::become(Actor& actor) {
  context_.actor = 0;  // the decision is the machine's
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
