// xensim shrink: takes a recorded failure's schedule down to the decisions that it needs.
#include <fmt/format.h>

#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/cli/trace_scenario.h"
#include "sim/cli/wall_clock.h"
#include "sim/cli/write_file.h"
#include "sim/explore/explore.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/run/run.h"
#include "traces/trace_file.h"

namespace xensim::sim {

namespace {

class ShrinkCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("trace", trace_, "of a failure under a schedule, as explore and run --schedule record it")
        ->type_name("TRACE")
        ->required();
    declare_wall_limit(app, wall_);
    app.add_option("--schedule", schedule_, "where the shrunk schedule goes; else TRACE.schedule")->type_name("FILE");
    declare_engine_option(app, engine_);
  }

  Result<Report> run(Output& output) override {
    XS_TRY(const auto reader, traces::TraceReader::open(trace_));
    const traces::TraceInfo& info = reader->info();
    if (info.schedule_text.empty()) {
      return input_error(fmt::format(
          "{}: was not recorded under a schedule (explore, run --schedule): there is nothing to shrink", trace_));
    }
    XS_TRY(auto scenario, scenario_of_trace(trace_, info));
    apply_engine_option(engine_, scenario);
    XS_TRY(auto schedule, parse_schedule(trace_, info.schedule_text));
    XS_TRY_STATUS(check_schedule(schedule, scenario, nullptr, trace_));
    const auto backend = backend_by_name(info.backend);
    if (!backend) return input_error(fmt::format("{}: backend {} cannot be run", trace_, info.backend));
    XS_TRY(const auto machine, make_machine(scenario, *backend));
    return shrink(output, info, *machine, std::move(schedule));
  }

 private:
  Result<Report> shrink(Output& output, const traces::TraceInfo& info, Machine& machine, Schedule schedule) {
    const std::vector<std::string> labels = machine.labels();
    XS_TRY(const auto wall, wall_limit_of(wall_));
    uint64_t runs = 0;
    const auto run_under = [&](const std::vector<Decision>& decisions) {
      output.progress(fmt::format("{} runs", ++runs));
      ReplayStrategy strategy(decisions, labels);
      MachineOptions options;
      options.seed = info.seed;
      options.strategy = &strategy;
      options.wall = wall.get();
      machine.reset(options);
      return machine.run();
    };
    const Outcome first = run_under(schedule.decisions);
    if (!first.failure) return input_error(fmt::format("{}: does not fail: there is nothing to shrink", trace_));
    if (first.wall_limited) return failed(FailureKind::kNoProgress, first.failure->message, trace_);
    const size_t before = schedule.decisions.size();
    schedule.decisions = shrink_decisions(schedule.decisions, [&](const std::vector<Decision>& decisions) {
      if (wall != nullptr && wall->ns_left() == 0) return false;  // the shortest so far is the answer
      const Outcome outcome = run_under(decisions);
      return outcome.failure && !outcome.wall_limited && outcome.failure->kind == first.failure->kind;
    });

    Report report;  // what was asked for was done: the failure is the subject, not the result
    report.seed = info.seed;
    report.schedules = runs;
    report.schedule = schedule_.empty() ? trace_ + ".schedule" : schedule_;
    const std::string text = format_schedule(schedule);
    XS_TRY_STATUS(write_file(*report.schedule, text));
    output.print_raw(text);
    output.note(fmt::format("{} decisions, shrunk to {} in {} runs: {}", before, schedule.decisions.size(), runs,
                            *report.schedule));
    return report;
  }

  std::string trace_, schedule_, wall_, engine_;
};

}  // namespace

std::unique_ptr<Command> make_shrink_command() { return std::make_unique<ShrinkCommand>(); }

}  // namespace xensim::sim
