// See explore.h.
#include "sim/explore/explore.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/prng.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/run.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kProgressEvery = 64;

class Explorer {
 public:
  Explorer(const Scenario& scenario, const ExploreOptions& options, Machine& machine)
      : scenario_(scenario), options_(options), machine_(machine), seeds_(options.seed), labels_(machine.labels()) {}

  Result<ExploreReport> run() {
    XS_TRY(report_.found.hash, scenario_hash(scenario_));
    report_.found.scenario = scenario_.name;
    report_.shrunk = report_.found;
    // The length of the default schedule tells PCT where its change points may lie.
    ReplayStrategy plain({}, labels_);
    uint64_t length = run_under(plain).points;
    while (report_.schedules < options_.schedules) {
      const uint64_t seed = seeds_.next();
      const auto strategy = make(seed, length);
      const Outcome outcome = run_under(*strategy);
      ++report_.schedules;
      report_.points += outcome.points;
      length = std::max(length, outcome.points);
      if (outcome.failure) {
        XS_TRY_STATUS(found(seed, length, outcome));
        break;
      }
      if (options_.on_progress && report_.schedules % kProgressEvery == 0) options_.on_progress(report_.schedules);
    }
    return std::move(report_);
  }

 private:
  std::unique_ptr<Strategy> make(uint64_t seed, uint64_t length) const {
    if (options_.strategy == "pct") return make_pct(seed, options_.depth, length);
    return make_random(seed);
  }

  Outcome run_under(Strategy& strategy) {
    MachineOptions machine_options;
    machine_options.seed = options_.seed;
    machine_options.strategy = &strategy;
    machine_.reset(machine_options);
    return machine_.run();
  }

  // The same failure under these decisions?
  bool fails(const std::vector<Decision>& decisions, FailureKind kind) {
    ++report_.shrink_runs;
    ReplayStrategy strategy(decisions, labels_);
    const Outcome outcome = run_under(strategy);
    return outcome.failure && outcome.failure->kind == kind;
  }

  Status found(uint64_t seed, uint64_t length, const Outcome& outcome) {
    report_.found_at = report_.schedules;
    const FailureKind kind = outcome.failure->kind;
    const auto strategy = make(seed, length);
    NotingStrategy noting(*strategy, labels_);
    const Outcome again = run_under(noting);
    if (!again.failure || again.failure->kind != kind) {
      return input_error(
          fmt::format("{}: schedule {} failed and then did not: the guest is not deterministic under the native "
                      "backend (uninitialised memory?)",
                      scenario_.path, report_.found_at));
    }
    report_.found.decisions = noting.decisions();
    report_.shrunk.decisions =
        shrink_decisions(report_.found.decisions, [&](const auto& decisions) { return fails(decisions, kind); });
    ReplayStrategy shortest(report_.shrunk.decisions, labels_);
    report_.failure = run_under(shortest);
    return {};
  }

  const Scenario& scenario_;
  const ExploreOptions& options_;
  Machine& machine_;
  Prng seeds_;
  std::vector<std::string> labels_;
  ExploreReport report_;
};

// The failure once more with everything written down: trace, timeline, and the word of the software CPU.
Status tell(const Scenario& scenario, const ExploreOptions& options, ExploreReport& report) {
  RunOptions run;
  run.backend = options.backend;
  run.schedule_text = format_schedule(report.shrunk);
  run.record_path = options.trace_path;
  XS_TRY(report.failure, run_scenario(scenario, run));
  Outcome drawn;
  XS_TRY(report.timeline, draw_timeline(scenario, options.backend, report.shrunk, drawn));
  const auto& backends = scenario.backends;
  if (options.backend == BackendKind::kNative &&
      std::find(backends.begin(), backends.end(), BackendKind::kSoft) != backends.end()) {
    run.backend = BackendKind::kSoft;
    run.record_path.clear();
    XS_TRY(const auto soft, run_scenario(scenario, run));
    report.soft_agrees = soft.failure && report.failure->failure && soft.failure->kind == report.failure->failure->kind;
  }
  return {};
}

}  // namespace

Result<ExploreReport> explore(const Scenario& scenario, const ExploreOptions& options) {
  if (options.strategy != "random" && options.strategy != "pct") {
    return input_error(fmt::format("strategy {} is not known: random or pct", options.strategy));
  }
  ExploreReport report;
  {
    // The machine goes before the failure is told: native guests lie at fixed addresses, one machine at a time.
    XS_TRY(const auto machine, make_machine(scenario, options.backend));
    XS_TRY(report, Explorer(scenario, options, *machine).run());
  }
  if (report.failure) XS_TRY_STATUS(tell(scenario, options, report));
  return report;
}

}  // namespace xensim::sim
