// xensim explore: many schedules of one scenario; the first that fails is shrunk, recorded and drawn.
#include <fmt/format.h>

#include <limits>

#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/cli/snapshot_options.h"
#include "sim/cli/wall_clock.h"
#include "sim/cli/write_file.h"
#include "sim/explore/explore.h"
#include "sim/explore/strategies/registry.h"

namespace xensim::sim {

namespace {

class ExploreCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    declare_scenario_options(app, options_);
    std::vector<std::string> names;
    std::string help = "how schedules are drawn";
    for (const StrategyEntry& entry : strategies()) {
      names.emplace_back(entry.name);
      help += fmt::format("; {}: {}", entry.name, entry.what);
    }
    app.add_option("--strategy", explore_.strategy, help)->check(CLI::IsMember(names));
    app.add_option("--depth", explore_.depth, "pct: how many ordering constraints the bug has")
        ->check(whole_number())
        ->check(CLI::Range(1, 64));
    CLI::Option* const exhaustive = app.add_flag(
        "--exhaustive", exhaustive_,
        "all schedules, but for those that differ in the order of steps that do not conflict; native backend");
    exhaustive->excludes("--strategy")->excludes("--depth");
    app.add_option("--preemptions", preemptions_, "exhaustive: only schedules with at most so many preemptions")
        ->needs(exhaustive)
        ->check(whole_number())
        ->check(CLI::Range(0, 1000));
    schedules_ = app.add_option("--schedules", explore_.schedules, "to try, at most; exhaustive: as many as it takes")
                     ->check(whole_number())
                     ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
    app.add_option("--jobs", explore_.jobs, "processes that run them; what is found does not depend on it")
        ->type_name("N")
        ->check(whole_number())
        ->check(CLI::Range(1, 256));
    app.add_option("--schedule", schedule_, "where the failing schedule goes; else SCENARIO.schedule")
        ->type_name("FILE");
    app.add_option("--record", record_, "where the failure's trace goes; else SCENARIO.trace")->type_name("TRACE");
    declare_wall_limit(app, wall_);
    CLI::Option* const from =
        app.add_option("--from-snapshot", from_, "every schedule begins at this saved machine")->type_name("FILE");
    app.get_option("scenario")->required(false);
    // A snapshot has them all; a trace begins with its machine.
    for (const char* name :
         {"--exhaustive", "--backend", "--vcpus", "--memory", "--flavour", "--time-limit", "--set", "--record"}) {
      from->excludes(app.get_option(name));
    }
  }

  Result<Report> run(Output& output) override {
    std::optional<OpenedSnapshot> opened;
    if (!from_.empty()) {
      XS_TRY(opened, open_snapshot(from_));
      explore_.from = &opened->snapshot;
    }
    XS_TRY(const auto chosen, choose(opened));
    XS_TRY(const auto wall, wall_limit_of(wall_));
    explore_.wall = wall.get();
    tell_engine(output, chosen.scenario);
    explore_.backend = chosen.backend;
    explore_.seed = chosen.seed;
    if (!opened) explore_.trace_path = record_.empty() ? chosen.scenario.name + ".trace" : record_;
    XS_TRY_STATUS(choose_exhaustive(chosen));
    explore_.on_progress = [&](uint64_t tried) {
      output.progress(explore_.exhaustive ? fmt::format("{} runs", tried)
                                          : fmt::format("{} of {} schedules", tried, explore_.schedules));
    };
    XS_TRY(const auto found, explore(chosen.scenario, explore_));

    Report report;
    report.seed = chosen.seed;
    report.schedules = found.schedules;
    if (found.wall_limited) {
      Report limited = failed(
          FailureKind::kNoProgress,
          fmt::format("the wall limit of {} is over after {} schedules, of which none failed", wall_, found.schedules));
      limited.seed = chosen.seed;
      limited.schedules = found.schedules;
      limited.reproduce = reproduce_search(chosen);
      return limited;
    }
    if (found.exhaustive && !found.failure) return tell_exhaustive(output, chosen.scenario, found, std::move(report));
    if (!found.failure) {
      output.print(
          fmt::format("{}: no failure in {} schedules ({} scheduling points); strategy {}, backend {}, seed {}",
                      chosen.scenario.name, found.schedules, found.points, explore_.strategy,
                      backend_name(chosen.backend), chosen.seed));
      return report;
    }
    const std::string schedule = schedule_.empty() ? chosen.scenario.name + ".schedule" : schedule_;
    XS_TRY_STATUS(write_file(schedule, format_schedule(found.shrunk)));
    set_outcome(report, *found.failure);
    report.result = ReportResult::kFail;
    report.schedule = schedule;
    report.reproduce = "xensim run" + (opened ? " --restore " + shell_word(from_) : reproduce_words(options_, chosen)) +
                       " --schedule " + shell_word(schedule);
    tell(output, found, schedule);
    return report;
  }

 private:
  Result<ChosenScenario> choose(const std::optional<OpenedSnapshot>& opened) const {
    if (opened && options_.file.empty()) {
      ChosenScenario chosen{opened->scenario, BackendKind::kSoft, options_.seed.value_or(opened->snapshot.info.seed)};
      apply_engine_option(options_.engine, chosen.scenario);
      return chosen;
    }
    if (options_.file.empty())
      return input_error("explore: which scenario? (or --from-snapshot FILE; see xensim explore --help)");
    return choose_scenario(options_);
  }

  std::string reproduce_search(const ChosenScenario& chosen) const {
    const std::string subject = from_.empty()
                                    ? reproduce_words(options_, chosen)
                                    : fmt::format(" --from-snapshot {} --seed {}", shell_word(from_), chosen.seed);
    if (exhaustive_) {
      return fmt::format("xensim explore{} --exhaustive{} --wall-limit {}", subject,
                         preemptions_ ? fmt::format(" --preemptions {}", *preemptions_) : "", shell_word(wall_));
    }
    return fmt::format("xensim explore{} --strategy {} --schedules {} --wall-limit {}", subject, explore_.strategy,
                       explore_.schedules, shell_word(wall_));
  }

  Status choose_exhaustive(const ChosenScenario& chosen) {
    if (!exhaustive_) return {};
    // The software CPU does not say what memory its guest's accesses touch.
    if (chosen.backend != BackendKind::kNative)
      return input_error("--exhaustive needs the native backend (--backend native)");
    if (explore_.jobs != 1) return input_error("--exhaustive runs in one process: leave --jobs out");
    explore_.exhaustive.emplace().preemptions = preemptions_;
    if (schedules_->count() == 0) explore_.schedules = std::numeric_limits<uint64_t>::max();
    return {};
  }

  // No schedule failed: were these all?
  Result<Report> tell_exhaustive(Output& output, const Scenario& scenario, const ExploreReport& found,
                                 Report report) const {
    const ExhaustiveReport& all = *found.exhaustive;
    const std::string bound = preemptions_ ? fmt::format("with at most {} preemptions", *preemptions_) : "at all";
    const std::string counts = fmt::format(
        "{} runs, {} of them whole, {} cut as known, {} with nothing left but what sleeps; at most {} choices",
        all.counts.runs, all.counts.complete, all.counts.cut, all.counts.blocked, all.counts.deepest);
    report.items = nlohmann::ordered_json::array();
    report.items->push_back({{"name", "exhaustive"},
                             {"complete", all.complete},
                             {"runs", all.counts.runs},
                             {"whole", all.counts.complete},
                             {"cut", all.counts.cut},
                             {"blocked", all.counts.blocked},
                             {"deepest", all.counts.deepest}});
    if (!all.divergence.empty()) {
      return input_error(
          fmt::format("{}: {}: the guest is not deterministic (uninitialised memory?)", scenario.path, all.divergence));
    }
    if (all.complete) {
      output.print(fmt::format("{}: no schedule {} fails: {}", scenario.name, bound, counts));
    } else {
      output.print(fmt::format("{}: no failure so far, and not all schedules were tried: {}", scenario.name, counts));
    }
    return report;
  }

  void tell(Output& output, const ExploreReport& found, const std::string& schedule) const {
    output.print(fmt::format("schedule {} fails; {} decisions, shrunk to {} in {} runs", found.found_at,
                             found.found.decisions.size(), found.shrunk.decisions.size(), found.shrink_runs));
    if (found.soft_agrees) {
      output.print(*found.soft_agrees
                       ? "the software CPU fails in the same way under it"
                       : "the software CPU does not fail under it: a difference between the two backends");
    }
    output.print(found.timeline);
    output.print(fmt::format("schedule: {}", schedule));
    if (!explore_.trace_path.empty()) output.print(fmt::format("trace: {}", explore_.trace_path));
  }

  ScenarioOptions options_;
  ExploreOptions explore_;
  bool exhaustive_ = false;
  std::optional<unsigned> preemptions_;
  CLI::Option* schedules_ = nullptr;
  std::string schedule_, record_, from_, wall_;
};

}  // namespace

std::unique_ptr<Command> make_explore_command() { return std::make_unique<ExploreCommand>(); }

}  // namespace xensim::sim
