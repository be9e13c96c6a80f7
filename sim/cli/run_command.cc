// xensim run: one execution of a scenario, or of an ELF with defaults.
#include <fmt/format.h>

#include "sim/cli/call_printer.h"
#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/run.h"
#include "traces/describe.h"

namespace xensim::sim {

namespace {

class RunCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    declare_scenario_options(app, options_);
    app.add_option("--schedule", schedule_, "follow the decisions of this file (of explore)")->type_name("FILE");
    app.add_option("--record", record_, "write a trace")->type_name("TRACE");
  }

  Result<Report> run(Output& output) override {
    XS_TRY(const auto chosen, choose_scenario(options_));
    CallPrinter calls([&](const std::string& line) { output.note(line); });
    RunOptions run;
    run.backend = chosen.backend;
    run.seed = chosen.seed;
    run.schedule_path = schedule_;
    run.record_path = record_;
    run.on_console = [&](const std::string& line) { output.print_raw(line + "\n"); };
    if (output.verbose()) run.watch = &calls;
    XS_TRY(const auto outcome, run_scenario(chosen.scenario, run));

    Report report;
    report.seed = chosen.seed;
    if (!schedule_.empty()) report.schedule = schedule_;
    set_outcome(report, outcome);
    report.reproduce = "xensim run" + reproduce_words(options_, chosen);
    if (!schedule_.empty()) report.reproduce += " --schedule " + shell_word(schedule_);
    output.note(summary(chosen, outcome));
    if (!record_.empty()) output.note(fmt::format("trace: {}", record_));
    return report;
  }

 private:
  static std::string summary(const ChosenScenario& chosen, const Outcome& outcome) {
    std::string text = fmt::format("{}: {}", chosen.scenario.name, outcome.failure ? "failed" : "passed");
    for (const DomainEnd& end : outcome.ends) text += fmt::format(", {} {}", end.guest, end.how);
    return text + fmt::format("; {} hypercalls, {} instructions, {} virtual; backend {}, seed {}, trace hash {}",
                              outcome.hypercalls, outcome.instructions,
                              traces::describe_time(VirtualNs{outcome.virtual_ns}), backend_name(chosen.backend),
                              chosen.seed, outcome.trace_hash);
  }

  ScenarioOptions options_;
  std::string schedule_;
  std::string record_;
};

}  // namespace

std::unique_ptr<Command> make_run_command() { return std::make_unique<RunCommand>(); }

}  // namespace xensim::sim
