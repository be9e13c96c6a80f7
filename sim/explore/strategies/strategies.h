// The strategies there are (registry.h has them by name), and those that take a schedule.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/explore/strategies/schedule.h"
#include "sim/machine/strategy.h"

namespace xensim::sim {

// Uniformly random among those that can run, at each point.
std::unique_ptr<Strategy> make_random(uint64_t seed);
// PCT (Burckhardt et al., ASPLOS 2010): random priorities, the highest runs; at `depth` - 1 random points among the
// first `length` the running actor falls below all others. Finds a bug of that depth with probability at least
// 1/(actors * length^(depth-1)).
std::unique_ptr<Strategy> make_pct(uint64_t seed, unsigned depth, uint64_t length);
// Partial order sampling (Yuan, Yang, Gu, CAV 2018): each pending operation has a random priority, the highest runs;
// the actor that ran, and all whose pending operation conflicts with what ran, draw anew. Orders of operations that do
// not conflict are not told apart, so that each order that matters is hit more often.
std::unique_ptr<Strategy> make_pos(uint64_t seed);
// What a plain run does: turns of a seeded number of points.
std::unique_ptr<Strategy> make_round_robin(uint64_t seed);

// Follows decisions; elsewhere the default choice. Names are those of `labels` (by actor number).
class ReplayStrategy : public Strategy {
 public:
  ReplayStrategy(std::vector<Decision> decisions, std::vector<std::string> labels);
  unsigned choose(const Choice& choice) override;
  bool wants_occurrence() const override { return true; }
  // The decisions that came to be used, in the order of use, and when.
  struct Used {
    Decision decision;
    VirtualNs time;
  };
  const std::vector<Used>& used() const { return used_; }

 private:
  struct Step {
    Decision decision;
    bool taken = false;
  };
  std::vector<Step> steps_;
  std::vector<std::string> labels_;
  std::vector<Used> used_;
};

// Follows lanes, one a choice; after the last the default choice, and where one cannot go on.
class LaneReplayStrategy : public Strategy {
 public:
  explicit LaneReplayStrategy(std::vector<unsigned> lanes) : lanes_(std::move(lanes)) {}
  unsigned choose(const Choice& choice) override {
    if (next_ == lanes_.size()) return default_choice(choice);
    const unsigned lane = lanes_[next_++];
    return ((choice.runnable >> lane) & 1) != 0 ? lane : default_choice(choice);
  }

 private:
  std::vector<unsigned> lanes_;
  size_t next_ = 0;
};

// Lets another strategy choose and notes each decision that differs from the default.
class NotingStrategy : public Strategy {
 public:
  NotingStrategy(Strategy& inner, std::vector<std::string> labels) : inner_(inner), labels_(std::move(labels)) {}
  unsigned choose(const Choice& choice) override;
  bool wants_occurrence() const override { return true; }
  const std::vector<Decision>& decisions() const { return decisions_; }

 private:
  Strategy& inner_;
  std::vector<std::string> labels_;
  std::vector<Decision> decisions_;
};

}  // namespace xensim::sim
