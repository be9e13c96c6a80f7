// Scheduling points of an exploration: the strategy says who goes on, and that one does.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

bool Machine::decide(const PointKey& key) {
  ++outcome_.points;
  advance_time(scenario_.clock.ns_per_point);
  if (context_.time >= events_due_.next()) take_due();
  if (out_of_wall_time()) [[unlikely]] {
    next_ = 0;
    return true;
  }
  if (outcome_.points >= point_limit_) [[unlikely]] {
    if (fair_) {
      next_ = 0;
      return true;
    }
    fair_ = true;
    point_limit_ += options_.max_points;
  }
  if (fair_) {
    next_ = next_runnable(runnable_, current_->id);
    return next_ != current_->id;
  }
  Choice choice{outcome_.points, context_.time, current_->id, runnable_, key, 0};
  if (counts_occurrences_) choice.occurrence = ++occurrences_[{current_->id, point_name(key)}];
  next_ = strategy_->choose(choice);
  return next_ != current_->id;
}

void Machine::cut(const PointKey& key) {
  Actor& self = *current_;
  self.at = key.op;
  // Whoever lets this fiber go on has made it current again.
  if (!can_follow_at_once(key)) return self.fiber->yield();
  Actor& next = *actors_[next_];
  become(next);
  self.fiber->switch_to(*next.fiber);
}

// Would the main loop do nothing but resume the vCPU that was chosen? On its way there and back a processor predicts
// each return wrongly, for it was called from another stack: that takes longer than all else at a point.
bool Machine::can_follow_at_once(const PointKey& key) const {
  if (!fibers_follow_ || !cutting_ || finished_ || fair_ || any_resetting_) return false;
  if (key.op == PointOp::kBlocked || ((runnable_ >> next_) & 1) == 0) return false;
  const Actor& next = *actors_[next_];
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
  uint32_t holder = lock.word.load(std::memory_order_relaxed) - 1;
  if ((lock.word.load(std::memory_order_relaxed) & kSharedLock) != 0) {
    const auto held = std::find_if(shared_holders_.begin(), shared_holders_.end(),
                                   [&](const auto& each) { return each.first == &lock; });
    XS_CHECK(held != shared_holders_.end());
    holder = held->second;
  }
  XS_CHECK(holder < actors_.size());
  Actor& owner = *actors_[holder];
  XS_CHECK_MSG(!owner.fiber->done(), fmt::format("{} holds {} and is gone", owner.label, xen::site_name(lock.site)));
  xen::LockState* outer = std::exchange(drive_until_free_, &lock);
  as_actor(owner, [&] { owner.fiber->resume(); });
  drive_until_free_ = outer;
}

}  // namespace xensim::sim
