// The gate: what a search finds in a small program, beside what there is.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <set>

#include "sim/explore/search/search.h"
#include "tests/unit/sim/explore/search/small_program.h"

namespace xensim::sim::small {

inline constexpr uint64_t kMostRuns = 20000;  // of brute force; programs with more are passed over

// The final states of all complete runs.
inline std::set<Final> finals_of(const Program& program, Search& search) {
  std::set<Final> finals;
  while (search.next()) {
    const Outcome outcome = run(program, search);
    if (!outcome.stopped) finals.insert(outcome.final);
  }
  return finals;
}

inline uint64_t programs_to_check() {
  const char* const number = std::getenv("XENSIM_GATE_PROGRAMS");
  return number == nullptr ? 1000 : std::strtoull(number, nullptr, 10);
}

}  // namespace xensim::sim::small
