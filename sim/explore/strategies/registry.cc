#include "sim/explore/strategies/registry.h"

#include "sim/explore/strategies/strategies.h"

namespace xensim::sim {

namespace {

constexpr StrategyEntry kStrategies[] = {
    {"random", "any lane that can go on, at each point",
     [](const StrategySetup& setup) { return make_random(setup.seed); }},
    {"pct", "random priorities, which change at few points (--depth)",
     [](const StrategySetup& setup) { return make_pct(setup.seed, setup.depth, setup.length); }},
    {"pos", "random priorities, drawn anew where operations race",
     [](const StrategySetup& setup) { return make_pos(setup.seed); }},
};

}  // namespace

std::span<const StrategyEntry> strategies() { return kStrategies; }

const StrategyEntry* find_strategy(std::string_view name) {
  for (const StrategyEntry& entry : kStrategies) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::string strategy_names() {
  std::string names;
  for (const StrategyEntry& entry : kStrategies) {
    if (!names.empty()) names += &entry == std::end(kStrategies) - 1 ? " or " : ", ";
    names += entry.name;
  }
  return names;
}

}  // namespace xensim::sim
