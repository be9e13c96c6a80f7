// Rows of a matrix: a step's clock is the maximum of those of the steps it depends on directly.
#include "sim/explore/search/happens_before.h"

#include <algorithm>

namespace xensim::sim {

void HappensBefore::append(const AccessLog& log) {
  const size_t index = steps_++;
  const AccessLog::Step& step = log.step(index);
  const unsigned own = column_[step.lane] == kNoColumn ? add_column(step.lane) : column_[step.lane];
  if (clocks_.size() < steps_ * width_) clocks_.resize(steps_ * width_);
  std::fill_n(clocks_.begin() + static_cast<ptrdiff_t>(index * width_), width_, 0);
  if (step.previous != AccessLog::kNone) join_into(index, step.previous);
  if (step.enabler != AccessLog::kNone) join_into(index, step.enabler);
  for (const AccessLog::Entry& entry : log.entries(step)) {
    log.visit_conflicts(entry, [&](const AccessLog::Entry& other) {
      if (!before(log, other.step, index)) join_into(index, other.step);
      return true;
    });
  }
  clocks_[index * width_ + own] = step.number;
}

void HappensBefore::join(std::vector<uint32_t>& clock, size_t step) const { join(clock.data(), step); }

void HappensBefore::join(uint32_t* clock, size_t step) const {
  const uint32_t* const from = &clocks_[step * width_];
  for (size_t i = 0; i < width_; ++i) clock[i] = std::max(clock[i], from[i]);
}

void HappensBefore::join_into(size_t target, size_t source) { join(&clocks_[target * width_], source); }

unsigned HappensBefore::add_column(unsigned lane) {
  if (columns_ == width_) widen();
  return column_[lane] = columns_++;
}

void HappensBefore::widen() {
  std::vector<uint32_t> wider(2 * clocks_.size());
  for (size_t row = 0; row * width_ < clocks_.size(); ++row) {
    std::copy_n(clocks_.begin() + static_cast<ptrdiff_t>(row * width_), width_,
                wider.begin() + static_cast<ptrdiff_t>(2 * row * width_));
  }
  clocks_.swap(wider);
  width_ *= 2;
}

}  // namespace xensim::sim
