// Brute force: all schedules of a small program, without any reduction. What the searches are compared with; it shares
// nothing with them but conflicts().
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "tests/unit/sim/explore/search/small_program.h"

namespace xensim::sim::small {

struct Everything {
  std::set<Final> finals;
  uint64_t runs = 0;
  std::set<std::pair<uint64_t, uint64_t>> traces;  // digests of the runs' happens-before graphs
  bool complete = true;                            // false: there were more runs than the limit
};

Everything brute_force(const Program& program, uint64_t limit);

}  // namespace xensim::sim::small
