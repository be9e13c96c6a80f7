// See scenario_options.h.
#include "sim/cli/scenario_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/cli/paths.h"
#include "sim/scenario/scenario_toml.h"
#include "sim/soft/soft_machine.h"

namespace xensim::sim {

CLI::Validator whole_number() {
  return CLI::Validator(
      [](const std::string& text) {
        uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error == std::errc{} && end == text.data() + text.size() ? "" : text + ": not a whole number below 2^64";
      },
      "");
}

void declare_engine_option(CLI::App& app, std::string& engine) {
  app.add_option("--engine", engine, "fast, or plain: the CPU's engine by its public interface alone; the same results")
      ->type_name("NAME")
      ->check(CLI::IsMember({"fast", "plain"}));
}

void apply_engine_option(const std::string& engine, Scenario& scenario) {
  if (const auto kind = engine_by_name(engine)) scenario.engine = *kind;
}

void tell_engine(Output& output, const Scenario& scenario) {
  if (!output.verbose() || scenario.engine == EngineKind::kPlain) return;
  if (const std::string why = SoftMachine::why_engine_is_plain(); !why.empty())
    output.note("engine: plain, for " + why);
}

void declare_scenario_options(CLI::App& app, ScenarioOptions& options) {
  app.add_option("scenario", options.file, "a scenario (TOML), or a PVH guest (ELF)")
      ->type_name("SCENARIO|ELF")
      ->required();
  app.add_option("--backend", options.backend, "soft or native; else the scenario's first")->type_name("NAME");
  app.add_option("--seed", options.seed, "of the run's choices; else the scenario's")
      ->type_name("N")
      ->check(whole_number());
  app.add_option("--vcpus", options.vcpus, "of every guest")->type_name("N")->check(whole_number());
  app.add_option("--memory", options.memory, "of every guest, like 64M")->type_name("SIZE");
  app.add_option("--flavour", options.flavour, "xen or kvm")->type_name("NAME");
  app.add_option("--time-limit", options.time_limit, "virtual time, like 10s or 5ms")->type_name("TIME");
  declare_engine_option(app, options.engine);
  app.add_flag("--checks", options.checks, "looks at every invariant of the core after every turn");
  app.add_option("--set", options.set, "sets any key of the scenario, like guest.0.vcpus=8")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

namespace {

Result<Overrides> overrides_of(const ScenarioOptions& options) {
  Overrides overrides;
  for (const std::string& set : options.set) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      return input_error(fmt::format("--set {}: write KEY=VALUE, like guest.0.vcpus=8", set));
    }
    overrides.emplace_back(set.substr(0, equals), set.substr(equals + 1));
  }
  if (options.vcpus) overrides.emplace_back("guest.vcpus", std::to_string(*options.vcpus));
  if (!options.memory.empty()) overrides.emplace_back("guest.memory", options.memory);
  if (!options.flavour.empty()) overrides.emplace_back("machine.flavour", options.flavour);
  if (!options.time_limit.empty()) overrides.emplace_back("machine.time_limit", options.time_limit);
  if (options.checks) overrides.emplace_back("machine.checks", "on");
  return overrides;
}

}  // namespace

Result<ChosenScenario> choose_scenario(const ScenarioOptions& options) {
  XS_TRY(const auto overrides, overrides_of(options));
  ChosenScenario chosen;
  XS_TRY(chosen.scenario, load_scenario(options.file, image_paths(), overrides));
  chosen.backend = chosen.scenario.backends.front();
  if (!options.backend.empty()) {
    const auto kind = backend_by_name(options.backend);
    if (!kind) return input_error(fmt::format("--backend {}: no such backend (soft, native)", options.backend));
    const auto& backends = chosen.scenario.backends;
    if (std::find(backends.begin(), backends.end(), *kind) == backends.end()) {
      std::vector<std::string_view> names;
      for (const BackendKind allowed : backends) names.push_back(backend_name(allowed));
      return input_error(fmt::format("--backend {}: {} runs on {} alone (machine.backends)", options.backend,
                                     options.file, fmt::join(names, ", ")));
    }
    chosen.backend = *kind;
  }
  apply_engine_option(options.engine, chosen.scenario);
  chosen.seed = options.seed.value_or(chosen.scenario.seed);
  return chosen;
}

bool as_written(const ScenarioOptions& options, const ChosenScenario& chosen) {
  return options.set.empty() && !options.vcpus && options.memory.empty() && options.flavour.empty() &&
         options.time_limit.empty() && chosen.seed == chosen.scenario.seed;
}

std::string reproduce_words(const ScenarioOptions& options, const ChosenScenario& chosen) {
  std::string words =
      fmt::format(" {} --backend {} --seed {}", shell_word(options.file), backend_name(chosen.backend), chosen.seed);
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) words += fmt::format(" {} {}", option, shell_word(value));
  };
  if (options.vcpus) add("--vcpus", std::to_string(*options.vcpus));
  add("--memory", options.memory);
  add("--flavour", options.flavour);
  add("--time-limit", options.time_limit);
  add("--engine", options.engine);
  if (options.checks) words += " --checks";
  for (const std::string& set : options.set) add("--set", set);
  return words;
}

}  // namespace xensim::sim
