#include "sim/machine/exploration.h"

#include "models/base/check.h"

namespace xensim::sim {

void Exploration::reset(Strategy* strategy, uint64_t max_points) {
  strategy_ = strategy;
  next_ = kStopRun;
  fair_ = before_marker_ = false;
  counts_occurrences_ = strategy != nullptr && strategy->wants_occurrence();
  collects_ = strategy != nullptr && strategy->wants_footprints();
  find_unusual();
  max_points_ = point_limit_ = max_points;
  occurrences_.clear();
  footprint_.clear();
}

void Exploration::set_strategy(Strategy& strategy) {
  XS_CHECK(strategy_ != nullptr);
  strategy_ = &strategy;
  counts_occurrences_ = strategy.wants_occurrence();
  collects_ = strategy.wants_footprints();
  find_unusual();
}

void Exploration::search_from_here() {
  before_marker_ = false;
  find_unusual();
  occurrences_.clear();
  footprint_.clear();
}

bool Exploration::decide_unusually(Choice& choice) {
  if (fair_ || choice.step >= point_limit_) return decide_fairly(choice);
  if (before_marker_) {
    next_ = default_choice(choice);
    return next_ != choice.current;
  }
  if (counts_occurrences_) choice.occurrence = count(choice);
  if (collects_) return decide_with_footprint(choice);
  next_ = strategy_->choose(choice);
  return next_ != choice.current;
}

bool Exploration::decide_fairly(const Choice& choice) {
  if (spent(choice.step)) {
    next_ = kStopRun;
    return true;
  }
  if (!fair_) point_limit_ += max_points_;
  fair_ = true;
  find_unusual();
  next_ = next_runnable(choice.runnable, choice.current);
  return next_ != choice.current;
}

bool Exploration::decide_with_footprint(Choice& choice) {
  choice.footprint = footprint_;
  next_ = strategy_->choose(choice);
  footprint_.clear();
  // A step that a domain's end, or a block, would have prevented has to come before it, or after.
  if (next_ != kStopRun) {
    footprint_.push_back({object_of(ObjectSpace::kVcpu, actor_of_lane(next_)), kWholeObject, AccessKind::kRead});
  }
  return next_ != choice.current;
}

void Exploration::end() {
  if (strategy_ != nullptr) strategy_->run_ended(footprint_);
  footprint_.clear();
}

uint64_t Exploration::count(const Choice& choice) {
  return ++occurrences_[{actor_of_lane(choice.current), point_name(choice.key)}];
}

}  // namespace xensim::sim
