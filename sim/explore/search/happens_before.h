// HappensBefore: a vector clock for each step of a log: how many steps of each lane happen before it, itself included.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/explore/search/access_log.h"
#include "sim/machine/strategy.h"

namespace xensim::sim {

class HappensBefore {
 public:
  HappensBefore() { column_.fill(kNoColumn); }

  // The last step of the log.
  void append(const AccessLog& log);
  // As AccessLog::truncate().
  void truncate(size_t steps) { steps_ = steps; }
  size_t steps() const { return steps_; }

  // Does `earlier` happen before `later`, or is it the same step?
  bool before(const AccessLog& log, size_t earlier, size_t later) const {
    const AccessLog::Step& step = log.step(earlier);
    return count(later, step.lane) >= step.number;
  }
  // How many steps of `lane` happen before the step, itself included.
  uint32_t count(size_t step, unsigned lane) const {
    return column_[lane] == kNoColumn ? 0 : clocks_[step * width_ + column_[lane]];
  }
  // `clock` learns of all that happens before `step`. It has width() counts, in the order of column().
  void join(std::vector<uint32_t>& clock, size_t step) const;
  size_t width() const { return width_; }
  unsigned column(unsigned lane) const { return column_[lane]; }

 private:
  static constexpr unsigned kNoColumn = kMaxLanes;

  unsigned add_column(unsigned lane);
  void widen();
  void join(uint32_t* clock, size_t step) const;
  void join_into(size_t target, size_t source);

  std::array<unsigned, kMaxLanes> column_;  // of a lane; in the order in which lanes first ran
  unsigned columns_ = 0;
  size_t width_ = 8;
  size_t steps_ = 0;
  std::vector<uint32_t> clocks_;  // a row of width_ for each step
};

}  // namespace xensim::sim
