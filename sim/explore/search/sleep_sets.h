// SleepSets: for each choice of the path, the lanes that need not be chosen there, since all that begins with them was
// explored, each with what its step touches. They lie on one stack: a choice's set grows only while it is the last.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/explore/search/access_log.h"
#include "sim/explore/search/defect.h"

namespace xensim::sim {

class SleepSets {
 public:
  explicit SleepSets(ReducerDefect defect) : defect_(defect) {}

  // A choice after the last step of the log: those asleep before it that are independent of that step sleep on. `now`:
  // the lanes that can run at it. The lanes asleep.
  uint64_t push(const AccessLog& log, uint64_t now);
  // The first choice: nobody sleeps.
  void push_empty() { levels_.push_back(end()); }
  // The last choice is gone.
  void pop();
  // Does the lane, which sleeps at choice `level`, wake up at the step?
  bool wakes(const AccessLog& log, size_t level, unsigned lane, const AccessLog::Step& step) const;
  // What begins with `step`, the last choice's, was explored.
  void put_to_sleep(const AccessLog& log, const AccessLog::Step& step);

 private:
  struct Sleeper {
    unsigned lane;
    uint32_t begin, end;  // of accesses_
  };
  struct Level {
    size_t sleepers, accesses;  // how many there were before
  };
  Level end() const { return {sleepers_.size(), accesses_.size()}; }
  bool wakes(const AccessLog& log, const AccessLog::Step& step, const Sleeper& sleeper) const;

  ReducerDefect defect_;
  std::vector<Level> levels_;
  std::vector<Sleeper> sleepers_;
  std::vector<ObjectAccess> accesses_;
};

}  // namespace xensim::sim
