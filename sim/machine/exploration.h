// Exploration: a run's scheduling points, and what its strategy decides at them. When a run has passed as many points
// as it may, its schedule becomes fair, for as many again: an end must come then.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "sim/machine/strategy.h"

namespace xensim::sim {

class Exploration {
 public:
  // `strategy`: borrowed; nullptr: a plain run, which has none of the rest.
  void reset(Strategy* strategy, uint64_t max_points);
  // In a run that has one: another goes on from here.
  void set_strategy(Strategy& strategy);
  bool on() const { return strategy_ != nullptr; }

  // Who goes on, as it was decided last.
  unsigned next() const { return next_; }
  void set_next(unsigned actor) { next_ = actor; }
  // The schedule is fair.
  bool fair() const { return fair_; }
  // A fair schedule has not brought an end within as many points as it may.
  bool spent(uint64_t points) const { return fair_ && points >= point_limit_; }

  // `choice` (but for its occurrence) is decided: true, another than choice.current goes on.
  bool decide(Choice choice) {
    if (choice.step >= point_limit_) [[unlikely]] {
      if (fair_) {
        next_ = 0;
        return true;
      }
      fair_ = true;
      point_limit_ += max_points_;
    }
    if (fair_) {
      next_ = next_runnable(choice.runnable, choice.current);
    } else {
      if (counts_occurrences_) choice.occurrence = count(choice);
      next_ = strategy_->choose(choice);
    }
    return next_ != choice.current;
  }
  // The actor that ran cannot go on, or the chosen one was stopped meanwhile. `known`: there is one that ran.
  void decide_blocked(Choice choice, bool known);

 private:
  // How often the actor has been at a point of this name, this time too.
  uint64_t count(const Choice& choice);

  Strategy* strategy_ = nullptr;
  unsigned next_ = 0;
  bool fair_ = false;
  bool counts_occurrences_ = false;  // the strategy wants them
  uint64_t max_points_ = 0;
  uint64_t point_limit_ = 0;
  std::map<std::pair<unsigned, std::string>, uint64_t> occurrences_;
};

}  // namespace xensim::sim
