// xensim replay: a trace again, at the core alone, or by running its guests once more.
#include <fmt/format.h>

#include "models/xen/api/core.h"
#include "sim/cli/commands.h"
#include "sim/cli/scenario_options.h"
#include "sim/cli/trace_scenario.h"
#include "sim/cli/wall_clock.h"
#include "sim/replay/core_replay.h"
#include "sim/run/run.h"
#include "traces/diff.h"

namespace xensim::sim {

namespace {

Report diverged(std::string message, std::string where, std::string report_text) {
  Report report = failed(FailureKind::kDivergence, std::move(message), std::move(where));
  report.result = ReportResult::kDiverged;
  report.failure->report = std::move(report_text);
  return report;
}

class ReplayCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("trace", path_, "what run --record or explore wrote")->type_name("TRACE")->required();
    app.add_option("--on", on_, "core: the core alone, no CPU; soft, native: run the guests again, and compare")
        ->check(CLI::IsMember({"core", "soft", "native"}))
        ->capture_default_str();
    declare_wall_limit(app, wall_);
    declare_engine_option(app, engine_);
  }

  Result<Report> run(Output& output) override {
    XS_TRY(const std::unique_ptr<traces::TraceReader> reader, traces::TraceReader::open(path_));
    XS_TRY(Report report, on_ == "core" ? at_core(*reader, output) : again(*reader, output));
    report.seed = reader->info().seed;
    report.reproduce = fmt::format("xensim replay {} --on {}", path_, on_);
    return report;
  }

 private:
  Result<Report> at_core(traces::TraceReader& reader, Output& output) const {
    XS_TRY(const auto wall, wall_limit_of(wall_));
    XS_TRY(const ReplayOutcome outcome,
           replay_at_core(reader, xen::make_core, [&] { return wall && wall->ns_left() == 0; }));
    if (outcome.out_of_time) {
      return failed(
          FailureKind::kNoProgress,
          fmt::format("the wall limit of {} is over after {} events that were as recorded", wall_, outcome.verified),
          path_);
    }
    if (outcome.divergence) {
      const std::string text = describe_divergence(*outcome.divergence);
      output.print_raw(text);
      return diverged(fmt::format("diverged at event {}: the trace says '{}', the core did '{}'",
                                  outcome.divergence->index, outcome.divergence->expected, outcome.divergence->got),
                      outcome.divergence->actor, text);
    }
    if (outcome.check_failure) return failed(FailureKind::kCheck, *outcome.check_failure, path_);
    if (!outcome.trace_problem.empty()) return failed(FailureKind::kExpectation, outcome.trace_problem, path_);
    output.print(
        fmt::format("verified {} events at the core ({} of the machine's skipped); {} entries in flight at the end",
                    outcome.verified, outcome.skipped, outcome.in_flight));
    Report report;
    report.trace_hash = traces::to_string(reader.hash());
    return report;
  }

  Result<Report> again(traces::TraceReader& reader, Output& output) const {
    const traces::TraceInfo& info = reader.info();
    if (info.backend != on_) {
      return input_error(fmt::format("{}: recorded on backend {}; only --on {} or --on core can be compared with it",
                                     path_, info.backend, info.backend));
    }
    std::vector<ConsoleInput> typed;
    while (const traces::Event* event = reader.next()) {
      const auto* input = std::get_if<traces::Input>(&event->body);
      if (input == nullptr || input->turn == 0) continue;
      const std::string text(reinterpret_cast<const char*>(input->text.data()), input->text.size());
      typed.push_back({event->time, input->dom, text, input->turn});
    }
    if (!reader.problem().empty()) return failed(FailureKind::kExpectation, reader.problem(), path_);
    XS_TRY(Scenario scenario, scenario_of_trace(path_, info));
    apply_engine_option(engine_, scenario);
    scenario.recorded_inputs = std::move(typed);
    RunOptions options;
    options.backend = on_ == "soft" ? BackendKind::kSoft : BackendKind::kNative;
    options.seed = info.seed;
    options.schedule_text = info.schedule_text;
    XS_TRY(const auto wall, wall_limit_of(wall_));
    options.wall = wall.get();
    XS_TRY(const Outcome outcome, run_scenario(scenario, options));
    if (outcome.wall_limited) {
      Report report;
      set_outcome(report, outcome);
      return report;
    }
    const std::string hash = traces::to_string(reader.hash());
    if (outcome.trace_hash == hash) {
      output.print(fmt::format("ran again: the same {} events, trace hash {}", reader.events(), hash));
      Report report;
      set_outcome(report, outcome);
      report.result = ReportResult::kPass;
      report.failure.reset();
      return report;
    }
    // Once more, written down, to say where they part.
    options.record_path = path_ + ".again";
    XS_TRY_STATUS(run_scenario(scenario, options));
    XS_TRY(const traces::TraceComparison comparison, traces::compare_traces(path_, options.record_path));
    const std::string text = traces::describe_comparison(comparison, path_, options.record_path);
    output.print_raw(text);
    return diverged(fmt::format("ran again with trace hash {}, recorded {}", outcome.trace_hash, hash), path_, text);
  }

  std::string path_, engine_;
  std::string on_ = "core";
  std::string wall_;
};

}  // namespace

std::unique_ptr<Command> make_replay_command() { return std::make_unique<ReplayCommand>(); }

}  // namespace xensim::sim
