// What benchmarks time with: the processor time of this process, kernel included, which other programs on the machine
// do not enter; and the median, which forgives what they do to caches.
#pragma once

#include <algorithm>
#include <ctime>
#include <vector>

#include "models/base/check.h"

namespace xensim {

// Seconds of processor time so far.
inline double cpu_seconds() {
  timespec time{};
  XS_CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Of at least one value.
inline double median(std::vector<double> values) {
  XS_CHECK(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace xensim
