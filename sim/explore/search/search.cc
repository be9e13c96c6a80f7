// What all searches share: a run's replayed beginning, and whether it is the same as before.
#include "sim/explore/search/search.h"

#include <algorithm>

#include "sim/explore/search/digest.h"

namespace xensim::sim {

bool Search::next() {
  if (running_) diverge(SearchDivergence::Kind::kNotEnded, depth_);
  if (diverged_) return false;
  if (counts_.runs != 0) {
    const std::optional<Turn> turn = backtrack();
    if (!turn) return false;
    log_.truncate(turn->depth);
    seen_.resize(turn->depth + 1);
    path_.resize(turn->depth + 1);
    path_.back() = turn->lane;
    planned_ = path_.size();
  }
  depth_ = 0;
  running_ = true;
  stopped_ = false;
  ++counts_.runs;
  return true;
}

unsigned Search::choose(const Choice& choice) {
  if (stopped_) return kStopRun;
  if (depth_ > 0 && !close_step(choice.footprint)) return kStopRun;
  unsigned lane = kStopRun;
  if (depth_ < planned_) {
    lane = replay(choice);
  } else {
    uint64_t allowed = choice.runnable;
    if (depth_ < fixed_.size()) allowed &= lane_bit(fixed_[depth_]);
    if (allowed == 0) {
      diverge(SearchDivergence::Kind::kFixedNotRunnable, depth_);
      return kStopRun;
    }
    lane = explore(choice, allowed);
    if (lane != kStopRun) {
      path_.push_back(lane);
      seen_.push_back({choice.runnable, 0});
    }
  }
  if (lane != kStopRun) ++depth_;
  return lane;
}

unsigned Search::replay(const Choice& choice) {
  if (seen_[depth_].runnable == choice.runnable) return path_[depth_];
  diverge(SearchDivergence::Kind::kRunnable, depth_);
  return kStopRun;
}

bool Search::close_step(std::span<const ObjectAccess> footprint) {
  const size_t step = depth_ - 1;
  const uint64_t hash = footprint_hash(footprint);
  if (step == log_.steps()) {
    log_.append(path_[step], seen_[step].runnable, footprint);
    seen_[step].footprint = hash;
    step_ended();
    return true;
  }
  if (seen_[step].footprint == hash) return true;
  diverge(SearchDivergence::Kind::kFootprint, step);
  return false;
}

unsigned Search::stop_run(Stop why) {
  ++(why == Stop::kCut ? counts_.cut : counts_.blocked);
  stopped_ = true;
  return kStopRun;
}

void Search::run_ended(std::span<const ObjectAccess> footprint) {
  if (!running_) return;
  running_ = false;
  counts_.deepest = std::max<uint64_t>(counts_.deepest, depth_);
  if (!stopped_ && depth_ > 0) close_step(footprint);
  if (!diverged_ && depth_ < planned_) diverge(SearchDivergence::Kind::kEndedEarly, depth_);
  if (diverged_) return;
  if (!stopped_) ++counts_.complete;
  run_over(planned_ == 0 ? 0 : planned_ - 1, !stopped_);
}

void Search::diverge(SearchDivergence::Kind kind, uint64_t step) {
  if (!diverged_) diverged_ = SearchDivergence{kind, step};
  stopped_ = true;
}

}  // namespace xensim::sim
