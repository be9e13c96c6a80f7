#include "sim/machine/exploration.h"

#include "models/base/check.h"

namespace xensim::sim {

void Exploration::reset(Strategy* strategy, uint64_t max_points) {
  strategy_ = strategy;
  next_ = 0;
  fair_ = false;
  counts_occurrences_ = strategy != nullptr && strategy->wants_occurrence();
  max_points_ = point_limit_ = max_points;
  occurrences_.clear();
}

void Exploration::set_strategy(Strategy& strategy) {
  XS_CHECK(strategy_ != nullptr);
  strategy_ = &strategy;
  counts_occurrences_ = strategy.wants_occurrence();
}

void Exploration::decide_blocked(Choice choice, bool known) {
  if (counts_occurrences_ && known) choice.occurrence = count(choice);
  next_ = fair_ ? next_runnable(choice.runnable, choice.current) : strategy_->choose(choice);
}

uint64_t Exploration::count(const Choice& choice) { return ++occurrences_[{choice.current, point_name(choice.key)}]; }

}  // namespace xensim::sim
