// xensim run: one execution of a scenario, or of an ELF with defaults.
#include <fmt/format.h>

#include "sim/cli/call_printer.h"
#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/cli/snapshot_options.h"
#include "sim/cli/wall_clock.h"
#include "sim/run/golden.h"
#include "sim/run/run.h"
#include "traces/describe.h"

namespace xensim::sim {

namespace {

class RunCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    declare_scenario_options(app, options_);
    declare_snapshot_options(app, snapshot_);
    declare_wall_limit(app, wall_);
    app.get_option("scenario")->required(false);
    // A snapshot has them all.
    for (const char* name :
         {"--backend", "--seed", "--vcpus", "--memory", "--flavour", "--time-limit", "--checks", "--set"}) {
      app.get_option("--restore")->excludes(app.get_option(name));
    }
    app.add_option("--schedule", schedule_, "follow the decisions of this file (of explore)")->type_name("FILE");
    app.add_option("--record", record_, "write a trace")->type_name("TRACE");
  }

  Result<Report> run(Output& output) override {
    XS_TRY(const auto point, snapshot_point(snapshot_));
    std::optional<OpenedSnapshot> opened;
    if (!snapshot_.restore.empty()) {
      XS_TRY(opened, open_snapshot(snapshot_.restore));
    }
    XS_TRY(const auto chosen, choose(opened));
    CallPrinter calls([&](const std::string& line) { output.note(line); });
    XS_TRY(const auto wall, wall_limit_of(wall_));
    RunOptions run;
    run.wall = wall.get();
    run.backend = chosen.backend;
    run.seed = chosen.seed;
    run.schedule_path = schedule_;
    run.record_path = record_;
    if (opened) run.from = &opened->snapshot;
    run.snapshot = point;
    run.save_path = snapshot_.save;
    run.on_saved = [&](uint64_t bytes) { output.note("saved " + saved_words(snapshot_.save, bytes)); };
    run.on_console = [&](const std::string& line) { output.print_raw(line + "\n"); };
    tell_engine(output, chosen.scenario);
    if (output.verbose()) run.watch = &calls;
    XS_TRY(auto outcome, run_scenario(chosen.scenario, run));
    const bool plain = schedule_.empty() && !opened && !point && as_written(options_, chosen);
    if (plain && !outcome.failure) XS_TRY_STATUS(compare_golden(chosen, outcome, output));

    Report report;
    report.seed = chosen.seed;
    if (!schedule_.empty()) report.schedule = schedule_;
    set_outcome(report, outcome);
    report.reproduce =
        "xensim run" + (opened ? " --restore " + shell_word(snapshot_.restore) : reproduce_words(options_, chosen));
    if (!wall_.empty()) report.reproduce += " --wall-limit " + shell_word(wall_);
    if (!schedule_.empty()) report.reproduce += " --schedule " + shell_word(schedule_);
    output.note(summary(chosen, outcome));
    if (!record_.empty()) output.note(fmt::format("trace: {}", record_));
    return report;
  }

 private:
  Result<ChosenScenario> choose(const std::optional<OpenedSnapshot>& opened) const {
    if (!opened || !options_.file.empty()) {
      if (options_.file.empty()) return input_error("run: which scenario? (or --restore FILE; see xensim run --help)");
      return choose_scenario(options_);
    }
    ChosenScenario chosen{opened->scenario, BackendKind::kSoft, opened->snapshot.info.seed};
    apply_engine_option(options_.engine, chosen.scenario);
    return chosen;
  }

  // What the scenario's [golden] says, if it has any: another trace hash is a failure.
  static Status compare_golden(const ChosenScenario& chosen, Outcome& outcome, Output& output) {
    if (chosen.scenario.expect.golden.empty()) return {};
    XS_TRY(const auto row, golden_row(chosen.scenario, chosen.backend));
    if (!row.trace_hash) {
      output.note(fmt::format("golden: no row \"{}\"; the trace hash is {}", row.key, outcome.trace_hash));
    } else if (*row.trace_hash != outcome.trace_hash) {
      outcome.failure = {
          FailureKind::kExpectation,
          fmt::format("golden: trace hash {}, where \"{}\" has {}", outcome.trace_hash, row.key, *row.trace_hash),
          chosen.scenario.path, ""};
    }
    return {};
  }

  static std::string summary(const ChosenScenario& chosen, const Outcome& outcome) {
    std::string text = fmt::format("{}: {}", chosen.scenario.name,
                                   outcome.failure ? "failed"
                                   : outcome.saved ? "saved"
                                                   : "passed");
    for (const DomainEnd& end : outcome.ends) text += fmt::format(", {} {}", end.guest, end.how);
    return text + fmt::format("; {} hypercalls, {} instructions, {} virtual; backend {}, seed {}, trace hash {}",
                              outcome.hypercalls, outcome.instructions,
                              traces::describe_time(VirtualNs{outcome.virtual_ns}), backend_name(chosen.backend),
                              chosen.seed, outcome.trace_hash);
  }

  ScenarioOptions options_;
  SnapshotOptions snapshot_;
  std::string schedule_, wall_;
  std::string record_;
};

}  // namespace

std::unique_ptr<Command> make_run_command() { return std::make_unique<RunCommand>(); }

}  // namespace xensim::sim
