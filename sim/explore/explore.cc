// See explore.h.
#include "sim/explore/explore.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/prng.h"
#include "sim/explore/search/await_filter.h"
#include "sim/explore/search/bounded.h"
#include "sim/explore/search/reduced.h"
#include "sim/explore/strategies/registry.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/process/machine_fork.h"
#include "sim/process/workers.h"
#include "sim/run/run.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kProgressEvery = 64;

// Schedules are run in rounds. What a round's strategies know of earlier schedules is what was known before the round,
// so that the report is the same for any number of worker processes.
constexpr uint64_t kFirstRound = 256;
constexpr uint64_t kLongestRound = 16384;

void decision_fields(StateArchive& ar, std::vector<Decision>& decisions) {
  constexpr uint64_t kMostDecisions = 1 << 24, kMostText = 1 << 16;
  ar.each("decisions", decisions, kMostDecisions, [&](Decision& decision) {
    ar("actor", decision.actor, kMostText);
    ar("point", decision.point, kMostText);
    ar("occurrence", decision.occurrence);
    ar("to", decision.to, kMostText);
  });
}

class Explorer {
 public:
  Explorer(const Scenario& scenario, const ExploreOptions& options, Machine& machine)
      : scenario_(scenario), options_(options), machine_(machine), labels_(machine.labels()) {}

  Result<ExploreReport> run() {
    XS_TRY(report_.found.hash, scenario_hash(scenario_, options_.from));
    report_.found.scenario = scenario_.name;
    report_.shrunk = report_.found;
    std::unique_ptr<Workers> workers;
    // The length of the default schedule tells PCT where its change points may lie.
    ReplayStrategy plain({}, labels_);
    const Outcome first_run = run_under(plain);
    if (first_run.marker_missed) {
      return input_error(
          fmt::format("{}: explore_from = \"marker\", but no guest came to xs_explore_begin()", scenario_.path));
    }
    if (options_.exhaustive) {
      XS_TRY_STATUS(search_all());
      return std::move(report_);
    }
    uint64_t length = first_run.points;
    if (options_.jobs > 1) {
      XS_TRY(workers, Workers::start(options_.jobs, [this](const Share& share) { return run_share(share); }));
    }
    uint64_t round = kFirstRound;
    for (uint64_t first = 0; first < options_.schedules; first += round, round = std::min(2 * round, kLongestRound)) {
      const uint64_t end = first + std::min(round, options_.schedules - first);
      std::vector<ShareResult> results;
      if (workers) {
        XS_TRY(results, workers->run(first, end, length));
      } else {
        results.push_back(run_share({first, 1, end, length}));
      }
      const auto failed = take(results, first, end);
      if (failed) {
        workers.reset();
        XS_TRY_STATUS(found(*failed + 1, [this, number = *failed, length] { return make(number, length); }));
        break;
      }
      if (out_of_time()) {
        report_.wall_limited = true;
        report_.schedules = first;
        for (const ShareResult& result : results) report_.schedules += result.points.size();
        break;
      }
      for (const ShareResult& result : results) {
        for (const uint64_t points : result.points) length = std::max(length, points);
      }
      if (options_.on_progress) options_.on_progress(report_.schedules);
    }
    return std::move(report_);
  }

 private:
  // The strategy of the schedule of this number, from 0.
  std::unique_ptr<Strategy> make(uint64_t number, uint64_t length) const {
    Prng seeds(options_.seed);
    seeds.skip(number);
    const uint64_t seed = seeds.next();
    return find_strategy(options_.strategy)->make({seed, options_.depth, length});
  }

  ShareResult run_share(const Share& share) {
    ShareResult result;
    for (uint64_t number = share.first; number < share.end; number += share.step) {
      const auto strategy = make(number, share.length);
      if (out_of_time()) break;
      const Outcome outcome = run_under(*strategy);
      if (outcome.wall_limited) break;
      result.points.push_back(outcome.points);
      if (outcome.failure) {
        result.failed = number;
        break;
      }
      const bool alone = share.step == 1;
      if (alone && options_.on_progress && (number + 1) % kProgressEvery == 0) options_.on_progress(number + 1);
    }
    return result;
  }

  // Counts a round's schedules up to the first that failed, and gives that one's number.
  std::optional<uint64_t> take(const std::vector<ShareResult>& results, uint64_t first, uint64_t end) {
    std::optional<uint64_t> failed;
    for (const ShareResult& result : results) {
      if (result.failed && (!failed || *result.failed < *failed)) failed = result.failed;
    }
    report_.schedules = failed ? *failed + 1 : end;
    for (size_t share = 0; share < results.size(); ++share) {
      uint64_t number = first + share;
      for (const uint64_t points : results[share].points) {
        if (number < report_.schedules) report_.points += points;
        number += results.size();
      }
    }
    return failed;
  }

  bool out_of_time() const { return options_.wall != nullptr && options_.wall->ns_left() == 0; }

  Outcome run_under(Strategy& strategy) {
    if (options_.from != nullptr) return run_in_copy(machine_, strategy);
    MachineOptions machine_options;
    machine_options.seed = options_.seed;
    machine_options.strategy = &strategy;
    machine_options.wall = finding_ ? nullptr : options_.wall;
    machine_.reset(machine_options);
    return machine_.run();
  }

  // As run_under, and which decisions the strategy made.
  std::pair<Outcome, std::vector<Decision>> run_noting(Strategy& strategy) {
    NotingStrategy noting(strategy, labels_);
    if (options_.from == nullptr) {
      Outcome outcome = run_under(noting);
      return {std::move(outcome), noting.decisions()};
    }
    std::vector<Decision> decisions;
    Outcome outcome = run_in_copy(machine_, noting, [&](StateArchive& ar) {
      if (!ar.loading()) decisions = noting.decisions();
      decision_fields(ar, decisions);
    });
    return {std::move(outcome), std::move(decisions)};
  }

  // The same failure under these decisions?
  bool fails(const std::vector<Decision>& decisions, FailureKind kind) {
    if (out_of_time()) return false;  // what is shortest so far stays
    ++report_.shrink_runs;
    ReplayStrategy strategy(decisions, labels_);
    finding_ = false;
    const Outcome outcome = run_under(strategy);
    finding_ = true;
    return outcome.failure && !outcome.wall_limited && outcome.failure->kind == kind;
  }

  std::unique_ptr<Search> make_search() const {
    if (options_.exhaustive->preemptions) {
      return std::make_unique<BoundedSearch>(BoundedOptions{*options_.exhaustive->preemptions});
    }
    return std::make_unique<ReducedSearch>();
  }

  Status search_all() {
    ExhaustiveReport& all = report_.exhaustive.emplace();
    const auto search = make_search();
    bool more = true;
    while (more && search->counts().runs < options_.schedules && !out_of_time()) {
      more = search->next();
      if (!more) break;
      AwaitFilter filter(*search);
      const Outcome outcome = run_under(filter);
      all.counts = search->counts();
      report_.schedules = all.counts.runs;
      report_.points += outcome.points;
      if (outcome.wall_limited) break;
      all.became_fair |= outcome.became_fair;
      if (outcome.failure) {
        const std::vector<unsigned> lanes = search->choices();
        return found(all.counts.runs, [lanes] { return std::make_unique<LaneReplayStrategy>(lanes); });
      }
      if (options_.on_progress && all.counts.runs % kProgressEvery == 0) options_.on_progress(all.counts.runs);
    }
    all.counts = search->counts();
    if (const auto& diverged = search->diverged()) {
      all.divergence = fmt::format("choice {} of run {} was not as before", diverged->step, all.counts.runs);
    }
    report_.wall_limited = out_of_time();
    all.complete = !more && all.divergence.empty() && !report_.wall_limited && !all.became_fair;
    return {};
  }

  using MakeStrategy = std::function<std::unique_ptr<Strategy>()>;

  // The schedule of this number, from 1, fails under such a strategy.
  Status found(uint64_t number, const MakeStrategy& make_again) {
    report_.found_at = number;
    finding_ = true;
    const auto strategy = make_again();
    const Outcome outcome = run_under(*strategy);
    const auto same = make_again();
    const auto [again, decisions] = run_noting(*same);
    if (!outcome.failure || !again.failure || again.failure->kind != outcome.failure->kind) {
      return input_error(
          fmt::format("{}: schedule {} failed and then did not: the guest is not deterministic under the native "
                      "backend (uninitialised memory?)",
                      scenario_.path, report_.found_at));
    }
    const FailureKind kind = outcome.failure->kind;
    report_.found.decisions = decisions;
    report_.shrunk.decisions =
        shrink_decisions(report_.found.decisions, [&](const auto& fewer) { return fails(fewer, kind); });
    ReplayStrategy shortest(report_.shrunk.decisions, labels_);
    report_.failure = run_under(shortest);
    return {};
  }

  const Scenario& scenario_;
  const ExploreOptions& options_;
  Machine& machine_;
  std::vector<std::string> labels_;
  ExploreReport report_;
  bool finding_ = false;  // the schedule that is run now is known to end: it ends by itself
};

// A machine from which Explorer can start. `first` is its strategy until it gets another.
Result<std::unique_ptr<Machine>> make_explored(const Scenario& scenario, const ExploreOptions& options,
                                               Strategy& first) {
  XS_TRY(auto machine, make_machine(scenario, options.backend, options.from));
  if (options.from == nullptr) return machine;
  MachineOptions machine_options;
  machine_options.seed = options.seed;
  machine_options.strategy = &first;
  machine_options.from = options.from;
  machine->reset(machine_options);
  XS_TRY_STATUS(machine->prepare());
  return machine;
}

// The failure once more with everything written down: trace, timeline, and the word of the software CPU.
Status tell(const Scenario& scenario, const ExploreOptions& options, ExploreReport& report) {
  RunOptions run;
  run.backend = options.backend;
  run.schedule_text = format_schedule(report.shrunk);
  run.record_path = options.trace_path;
  run.from = options.from;
  XS_TRY(report.failure, run_scenario(scenario, run));
  Outcome drawn;
  XS_TRY(report.timeline, draw_timeline(scenario, options.backend, report.shrunk, options.from, drawn));
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
  if (find_strategy(options.strategy) == nullptr) {
    return input_error(fmt::format("strategy {} is not known: {}", options.strategy, strategy_names()));
  }
  ExploreReport report;
  {
    // The machine goes before the failure is told: native guests lie at fixed addresses, one machine at a time.
    const std::unique_ptr<Strategy> first = make_round_robin(options.seed);
    XS_TRY(const auto machine, make_explored(scenario, options, *first));
    XS_TRY(report, Explorer(scenario, options, *machine).run());
  }
  if (report.failure) XS_TRY_STATUS(tell(scenario, options, report));
  return report;
}

}  // namespace xensim::sim
