// Source-DPOR: which choices of the path have to be made differently, as the races of its last run show.
#include "sim/explore/search/reduced.h"

#include <bit>

namespace xensim::sim {

unsigned ReducedSearch::explore(const Choice& choice, uint64_t allowed) {
  uint64_t asleep = 0;
  if (nodes_.empty()) {
    sleep_.push_empty();
  } else {
    asleep = sleep_.push(log(), choice.runnable);
  }
  last_runnable_ = choice.runnable;
  const uint64_t awake = allowed & ~asleep;
  if (awake == 0) {
    sleep_.pop();
    return stop_run(Stop::kBlocked);
  }
  const unsigned usual = default_choice(choice);
  const unsigned lane = (awake & lane_bit(usual)) != 0 ? usual : next_runnable(awake, choice.current);
  nodes_.push_back({choice.runnable, lane_bit(lane), asleep, choice.key.op});
  return lane;
}

std::optional<Search::Turn> ReducedSearch::backtrack() {
  while (nodes_.size() > fixed_depth()) {
    const size_t last = nodes_.size() - 1;
    Node& node = nodes_[last];
    node.asleep |= lane_bit(log().lane(last));
    sleep_.put_to_sleep(log(), log().step(last));
    const uint64_t left = node.backtrack & ~node.asleep;
    if (left != 0) {
      order_.truncate(last);
      std::erase_if(unknowns_, [last](const Unknown& unknown) { return unknown.second >= last; });
      return Turn{last, static_cast<unsigned>(std::countr_zero(left))};
    }
    nodes_.pop_back();
    sleep_.pop();
  }
  return std::nullopt;
}

void ReducedSearch::run_over(size_t first_new, bool complete) {
  if (complete) last_runnable_ = 0;
  const size_t known = unknowns_.size();
  for (size_t i = 0; i < known; ++i) reverse_unknown(Unknown(unknowns_[i]), first_new);
  for (size_t second = first_new; second < log().steps(); ++second) {
    for (const uint32_t first : races_.of(static_cast<uint32_t>(second))) reverse(first, static_cast<uint32_t>(second));
  }
  if (!has(ReducerDefect::kTakenTurnMissed)) reverse_disabling();
  if (!has(ReducerDefect::kPendingLockMissed)) reverse_held_locks();
}

void ReducedSearch::reverse(uint32_t first, uint32_t second) {
  const AccessLog::Step& step = log().step(second);
  const bool begins = races_.begins(first, second);
  // It could not run there, and nothing that would let it comes before it.
  if (begins && log().waited(step.lane, first, step.previous)) return;
  if (races_.sees_write(first, second) && !has(ReducerDefect::kSameSecond))
    return reverse_unknown({first, second, step.lane, step.previous}, first + 1);
  uint64_t initials = races_.initials(first, second);
  if (begins || has(ReducerDefect::kInitialsUnordered)) initials |= lane_bit(step.lane);
  add(nodes_[first], initials);
}

// Which of the steps that can precede `first` have to come before or after the lane's is not known either. But a branch
// that begins with the lane will show what it touches.
void ReducedSearch::reverse_unknown(const Unknown& unknown, size_t from) {
  const auto [first, second, lane, last] = unknown;
  Node& node = nodes_[first];
  const auto end = static_cast<uint32_t>(log().steps());
  if (last != AccessLog::kNone && last > first) return add(node, races_.initials_for(first, last));
  const uint64_t own = lane_bit(lane);
  if ((node.runnable & own) == 0) {
    node.backtrack |= races_.initials(first, end) & node.runnable;
  } else if ((node.asleep & ~node.backtrack & own) == 0) {
    node.backtrack |= own;
    return;
  } else {
    // It sleeps: what begins with it was explored, but not what wakes it up first.
    for (auto at = static_cast<uint32_t>(from); at < end; ++at) {
      if (races_.can_precede(first, at) && sleep_.wakes(log(), first, lane, log().step(at)))
        add(node, races_.initials_for(first, at));
    }
  }
  if (second < end && second >= from) unknowns_.push_back(unknown);
}

void ReducedSearch::add(Node& node, uint64_t initials) {
  if ((initials & (node.backtrack | node.asleep)) != 0) return;
  const uint64_t can_run = initials & node.runnable;
  // None can: then it is not known how to come to the other order, and all are tried.
  node.backtrack |= can_run != 0 ? can_run & (~can_run + 1) : node.runnable;
}

void ReducedSearch::reverse_disabling() {
  uint64_t after = last_runnable_;  // the lanes that can run after the step
  uint64_t ran = 0;                 // those that do
  for (size_t at = log().steps(); at-- > 0;) {
    const AccessLog::Step& step = log().step(at);
    ran |= lane_bit(step.lane);
    uint64_t kept = step.runnable & ~after;
    // The handler keeps the vCPU's own lane from running even where that waited before.
    if (is_irq_lane(step.lane) && !is_done(actor_of_lane(step.lane))) kept |= lane_bit(actor_of_lane(step.lane));
    kept |= waiting_for_what_changed(at) & ~step.runnable;
    for (kept &= ~ran; kept != 0; kept &= kept - 1)
      reverse_pending(static_cast<uint32_t>(at), static_cast<unsigned>(std::countr_zero(kept)));
    after = step.runnable;
  }
}

bool ReducedSearch::is_done(unsigned lane) const {
  const uint32_t last = log().last_of(lane);
  return last != AccessLog::kNone && last + 1 < nodes_.size() && nodes_[last + 1].reached == PointOp::kDone;
}

// Lanes that wait by what they saw in their last step, which `at` changed: they might have gone on before that.
uint64_t ReducedSearch::waiting_for_what_changed(size_t at) const {
  if (has(ReducerDefect::kPendingLookMissed)) return 0;
  uint64_t lanes = 0;
  for (uint64_t rest = log().lanes(); rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(rest));
    const uint32_t last = log().last_of(lane);
    if (last >= at) continue;
    const PointOp reached = nodes_[last + 1].reached;
    const bool waits = reached == PointOp::kBlocked || reached == PointOp::kPause;
    if (waits && log().steps_conflict(at, last)) lanes |= lane_bit(lane);
  }
  return lanes;
}

void ReducedSearch::reverse_held_locks() {
  for (const uint32_t first : races_.held()) {
    for (uint64_t rest = log().lanes(); rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(rest));
      if (lane != log().lane(first) && may_wait_for_lock(lane)) reverse_pending(first, lane);
    }
  }
}

bool ReducedSearch::may_wait_for_lock(unsigned lane) const {
  const uint32_t last = log().last_of(lane);
  if (last + 1 == nodes_.size()) return true;
  const PointOp reached = nodes_[last + 1].reached;
  return reached == PointOp::kLock || reached == PointOp::kBlocked;
}

void ReducedSearch::reverse_pending(uint32_t first, unsigned lane) {
  const uint32_t last = log().last_of(lane);
  if (last == AccessLog::kNone || !order_.before(log(), first, last))
    reverse_unknown({first, AccessLog::kNone, lane, last}, first + 1);
}

}  // namespace xensim::sim
