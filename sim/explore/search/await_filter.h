// AwaitFilter: keeps a lane that spins from going round its loop again before something that it reads there has been
// written. The machine lets it look again after any write of another lane; a search, which has footprints, knows
// better, and would take each round for another schedule.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/machine/strategy.h"

namespace xensim::sim {

class AwaitFilter final : public Strategy {
 public:
  // Borrows the strategy that chooses among the rest.
  explicit AwaitFilter(Strategy& inner) : inner_(inner) {}

  unsigned choose(const Choice& choice) override;
  void run_ended(std::span<const ObjectAccess> footprint) override;
  bool wants_footprints() const override { return true; }
  bool wants_occurrence() const override { return inner_.wants_occurrence(); }

 private:
  bool only_looked(unsigned lane) const;
  void step_ended(std::span<const ObjectAccess> footprint);

  Strategy& inner_;
  unsigned running_ = kStopRun;  // the lane whose step is under way
  uint64_t at_pause_ = 0;        // lanes whose last point was a pause
  uint64_t waiting_ = 0;         // of those, the ones that only looked, at what nobody has written since
  uint64_t wrote_ = 0;           // lanes that have written since their last pause
  std::array<std::vector<ObjectAccess>, kMaxLanes> seen_;  // what each has read since its last pause
};

}  // namespace xensim::sim
