// Exploration: a run's scheduling points, and what its strategy decides at them. When a run has passed as many points
// as it may, its schedule becomes fair, for as many again: an end must come then.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sim/machine/strategy.h"

namespace xensim::sim {

class Exploration {
 public:
  // `strategy`: borrowed; nullptr: a plain run, which has none of the rest.
  void reset(Strategy* strategy, uint64_t max_points);
  // In a run that has one: another goes on from here.
  void set_strategy(Strategy& strategy);
  bool on() const { return strategy_ != nullptr; }

  // The lane that goes on, as it was decided last; kStopRun: none.
  unsigned next() const { return next_; }
  void set_next(unsigned lane) { next_ = lane; }
  // The schedule is fair.
  bool fair() const { return fair_; }
  // A fair schedule has not brought an end within as many points as it may.
  bool spent(uint64_t points) const { return fair_ && points >= point_limit_; }

  // `choice` (but for its occurrence and footprint) is decided: true, another than choice.current goes on. By
  // reference: a copy would load what was just stored in other pieces, and wait for it.
  bool decide(Choice& choice) {
    if (unusual_ || choice.step >= point_limit_) [[unlikely]]
      return decide_unusually(choice);
    next_ = strategy_->choose(choice);
    return next_ != choice.current;
  }

  // Footprints. What was touched so far was no step's.
  void begin() { footprint_.clear(); }

  // Until search_from_here() nothing is asked: the default schedule is followed.
  void wait_for_marker() {
    before_marker_ = true;
    find_unusual();
  }
  bool before_marker() const { return before_marker_; }
  void search_from_here();
  bool collects() const { return collects_; }
  void touched(const ObjectAccess& access) { footprint_.push_back(access); }
  // The run is over.
  void end();

 private:
  bool decide_unusually(Choice& choice);
  bool decide_fairly(const Choice& choice);
  void find_unusual() { unusual_ = fair_ || before_marker_ || counts_occurrences_ || collects_; }
  bool decide_with_footprint(Choice& choice);
  // How often the actor has been at a point of this name, this time too.
  uint64_t count(const Choice& choice);

  Strategy* strategy_ = nullptr;
  unsigned next_ = kStopRun;
  bool unusual_ = false;  // one of the following four
  bool fair_ = false;
  bool before_marker_ = false;
  bool counts_occurrences_ = false;  // the strategy wants them
  bool collects_ = false;            // the strategy wants footprints
  uint64_t max_points_ = 0;
  uint64_t point_limit_ = 0;
  std::map<std::pair<unsigned, std::string>, uint64_t> occurrences_;  // by actor
  std::vector<ObjectAccess> footprint_;                               // of the step under way
};

}  // namespace xensim::sim
