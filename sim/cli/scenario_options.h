// The options that every command has which runs a scenario, and the scenario that they make.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/cli/output.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

struct ScenarioOptions {
  std::string file;
  std::string backend;  // empty: the scenario's first
  std::optional<uint64_t> seed;
  std::string flavour, memory, time_limit;
  std::optional<uint64_t> vcpus;
  std::string engine;  // empty: the scenario's
  bool checks = false;
  std::vector<std::string> set;  // key=value
};

// For options that are whole numbers: decimal, below 2^64, no sign.
CLI::Validator whole_number();

// Declares --engine, which every command has that runs guests.
void declare_engine_option(CLI::App& app, std::string& engine);
// What --engine says goes before what the scenario does; it is in no trace. Words that it may not be never get here.
void apply_engine_option(const std::string& engine, Scenario& scenario);

// With -v, one line where the engine is used plainly though that was not asked for, and why.
void tell_engine(Output& output, const Scenario& scenario);

// Declares SCENARIO and the options.
void declare_scenario_options(CLI::App& app, ScenarioOptions& options);

// A scenario with its options applied.
struct ChosenScenario {
  Scenario scenario;
  BackendKind backend = BackendKind::kSoft;
  uint64_t seed = 0;
};
Result<ChosenScenario> choose_scenario(const ScenarioOptions& options);

// Is it run as it is written: by no option another clock, guest or seed? (--checks and --engine change no execution.)
bool as_written(const ScenarioOptions& options, const ChosenScenario& chosen);

// The same options again, as words of a command line: " races/poller.toml --flavour kvm --seed 4"; the backend and the
// seed always.
std::string reproduce_words(const ScenarioOptions& options, const ChosenScenario& chosen);

}  // namespace xensim::sim
