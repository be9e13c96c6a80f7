// The strategies that sample schedules, by name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sim/machine/strategy.h"

namespace xensim::sim {

// What is known when a schedule's strategy is made.
struct StrategySetup {
  uint64_t seed = 0;    // of this schedule
  unsigned depth = 3;   // --depth: of the bugs that are looked for, at least 1
  uint64_t length = 0;  // points of the longest schedule so far
};

struct StrategyEntry {
  std::string_view name;
  std::string_view what;  // one line, for help
  std::unique_ptr<Strategy> (*make)(const StrategySetup& setup);
};

std::span<const StrategyEntry> strategies();
// nullptr: there is none of that name.
const StrategyEntry* find_strategy(std::string_view name);
// "random, pct or pos".
std::string strategy_names();

}  // namespace xensim::sim
