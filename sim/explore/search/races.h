// Races: pairs of steps of a run that could come in the other order, and who would have to go first for that.
//
// Two steps of different lanes race where they conflict and none between them orders them anyway. Steps that merely let
// the second lane run (an unlocking, a wake-up, the end of an interrupt's handler) are no partners: what can come in
// the other order is the step that kept it from running, so the search for a partner goes past them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/explore/search/access_log.h"
#include "sim/explore/search/defect.h"
#include "sim/explore/search/happens_before.h"

namespace xensim::sim {

class Races {
 public:
  Races(const AccessLog& log, const HappensBefore& order, ReducerDefect defect)
      : log_(log), order_(order), defect_(defect) {}

  // The steps that race with `second`, the latest first; valid until the next call.
  std::span<const uint32_t> of(uint32_t second);

  // The steps after `first` that do not happen after it are what can come before it too.
  bool can_precede(uint32_t first, uint32_t step) const {
    return step > first && order_.count(step, log_.lane(first)) < log_.step(first).number;
  }
  // The lanes that such steps before `end` can begin with, in one order or another: their initials.
  uint64_t initials(uint32_t first, uint32_t end) const;
  // Likewise of those that `step`, which can precede `first`, takes, itself included.
  uint64_t initials_for(uint32_t first, uint32_t step) const;
  // Can `second` come before all of them, as far as it touches there what it touched here?
  bool begins(uint32_t first, uint32_t second) const;
  // Does `second` see what `first` wrote? Then it may touch something else in the other order.
  bool sees_write(uint32_t first, uint32_t second) const;

  // Lockings that no unlocking followed: the steps.
  std::span<const uint32_t> held();

 private:
  class Sequence;
  struct Lock {
    uint32_t step;
    uint32_t slot;
  };
  bool locks_again(const AccessLog::Entry& unlocking) const;
  void release(const Lock& unlocked);
  void look_back(const AccessLog::Entry& entry);
  void keep_undominated();
  bool ordered_by_lane(uint32_t step) const;
  bool has(ReducerDefect defect) const { return defect_ == defect; }

  const AccessLog& log_;
  const HappensBefore& order_;
  ReducerDefect defect_;

  unsigned lane_ = 0;             // of the step whose races are looked for
  uint32_t last_ = 0;             // its lane's step before
  std::vector<uint32_t> found_;   // races
  std::vector<uint32_t> direct_;  // all that it conflicts with
  std::vector<uint32_t> maybe_;   // races, unless something between orders them
  std::vector<uint32_t> clock_;
  std::vector<Lock> locks_;  // held, while the run is gone through
};

}  // namespace xensim::sim
