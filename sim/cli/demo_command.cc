// xensim demo: two real races, found, shrunk, replayed and explained, for somebody who has never heard of xensim.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "models/xen/api/core.h"
#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/cli/write_file.h"
#include "sim/explore/explore.h"
#include "sim/replay/core_replay.h"
#include "sim/run/run.h"
#include "traces/trace_file.h"

namespace xensim::sim {

namespace {

// One of the two races. `control` is the same scenario where the race must not show.
struct Race {
  const char* title;
  const char* story;
  const char* scenario;  // below the scenarios folder, without .toml
  const char* flavour;
  const char* control;
  const char* control_flavour;
  const char* control_title;
};

constexpr Race kRaces[] = {
    {"Race 1, in a guest: an event channel is moved to another vCPU while it fires (Linux commit 4704fe4f03a5)",
     "A guest keeps a per-vCPU mask of the event channels that each vCPU handles, as Linux did. One vCPU changes that "
     "mask\n"
     "to move a port to another vCPU; the event fires meanwhile. The hypervisor told the old vCPU, the old vCPU's "
     "handler\n"
     "skips the port as no longer its own, and nobody tells the new one: the event is pending for ever.",
     "races/evtchn_affinity", "xen", "races/evtchn_affinity_fixed", "xen",
     "the corrected guest masks the port around the move and passes on what it was told of too late"},
    {"Race 2, in KVM as of Linux 6.12: a poller that is never woken",
     "vCPU 1 sleeps in SCHEDOP_poll on a port that is bound to vCPU 0; vCPU 0 then sends to that port. Xen wakes every "
     "vCPU\n"
     "that polls the port. KVM looks only at the vCPU that the port is bound to: vCPU 1 sleeps on.",
     "races/poller", "kvm", "races/poller", "xen", "under flavour xen the same guest"},
};

constexpr uint64_t kMostSchedules = 100'000;
constexpr uint64_t kControlFactor = 10;
constexpr uint64_t kLeastControl = 10'000;

// A folder of our own for traces, gone at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "xensim-demo-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~ScratchFolder() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class DemoCommand final : public Command {
 public:
  void declare(CLI::App& app) override { declare_engine_option(app, engine_); }

  Result<Report> run(Output& output) override {
    const ScratchFolder scratch;
    if (scratch.path().empty()) return environment_error("no temporary folder can be made");
    output.print(
        "xensim runs the hypervisor's side of the Xen HVM guest ABI (event channels, timers, grants) and guests on top "
        "of it,\n"
        "so that every execution is decided by a schedule: who runs next, at each access that others can see. It tries "
        "many\n"
        "schedules, and the one that fails can be repeated for ever.");
    Report report;
    report.schedules = 0;
    for (const Race& race : kRaces) {
      XS_TRY(const bool as_expected, show(output, race, scratch.path(), report));
      if (!as_expected) return report;
    }
    output.print("\nTry next: ./xensim explore scenarios/races/evtchn_affinity.toml");
    return report;
  }

 private:
  static std::string file_of(const char* scenario) {
    return (std::filesystem::path(install_paths().scenarios) / (std::string(scenario) + ".toml")).string();
  }

  Result<Scenario> load(const char* scenario, const char* flavour) const {
    XS_TRY(Scenario loaded, load_scenario(file_of(scenario), image_paths(), {{"machine.flavour", flavour}}));
    apply_engine_option(engine_, loaded);
    return loaded;
  }

  static Result<ExploreReport> search(Output& output, const Scenario& scenario, uint64_t schedules,
                                      const std::string& trace) {
    ExploreOptions options;
    options.backend = BackendKind::kNative;
    options.schedules = schedules;
    options.trace_path = trace;
    options.on_progress = [&](uint64_t tried) {
      output.progress(fmt::format("{}: {} schedules", scenario.name, tried));
    };
    return explore(scenario, options);
  }

  // Not what the demo is there to find: says so in the report. false.
  static bool unexpected(Report& report, const Race& race, const std::string& message) {
    const auto schedules = report.schedules;
    report = failed(FailureKind::kExpectation, message, race.scenario);
    report.schedules = schedules;
    report.reproduce =
        fmt::format("xensim explore {} --flavour {}", shell_word(short_path(file_of(race.scenario))), race.flavour);
    return false;
  }

  Result<bool> show(Output& output, const Race& race, const std::string& scratch, Report& report) const {
    output.print(fmt::format("\n== {}\n\n{}\n", race.title, race.story));
    XS_TRY(const auto scenario, load(race.scenario, race.flavour));
    const std::string trace = scratch + "/" + scenario.name + ".trace";
    XS_TRY(const auto found, search(output, scenario, kMostSchedules, trace));
    *report.schedules += found.schedules;
    if (!found.failure || !found.failure->failure) {
      return unexpected(report, race, fmt::format("no failure in {} schedules", found.schedules));
    }
    const Failure& failure = *found.failure->failure;
    output.print(fmt::format("Found by schedule {} of a random search: {}: {}", found.found_at,
                             failure_kind_name(failure.kind), failure.message));
    if (!found.failure->console.empty()) {
      output.print(fmt::format("The guest's last words: {}", found.failure->console.back().text));
    }
    output.print(fmt::format("Shrunk from {} decisions to {}, in {} more runs:\n", found.found.decisions.size(),
                             found.shrunk.decisions.size(), found.shrink_runs));
    output.print(format_schedule(found.shrunk));
    output.print("Explained, a column for each actor:\n\n" + found.timeline);
    if (found.soft_agrees && !*found.soft_agrees)
      return unexpected(report, race, "the software CPU does not fail under the schedule");
    if (found.soft_agrees)
      output.print("Repeated on the software CPU, the guest as a real x86 ELF: it fails in the same way.");
    XS_TRY(const bool replayed, replay(output, trace, report, race));
    if (!replayed) return false;
    return control(output, race, found.found_at, report);
  }

  static Result<bool> replay(Output& output, const std::string& trace, Report& report, const Race& race) {
    XS_TRY(const auto reader, traces::TraceReader::open(trace));
    XS_TRY(const auto outcome, replay_at_core(*reader, xen::make_core));
    if (outcome.divergence || outcome.check_failure) {
      return unexpected(
          report, race,
          outcome.divergence ? "replay diverged: " + outcome.divergence->difference : *outcome.check_failure);
    }
    output.print(fmt::format("Replayed from its trace, without any guest: {} events, all the same.", outcome.verified));
    return true;
  }

  // Where the race must not show, it does not, in ten times as many schedules as it took to find it, or more.
  Result<bool> control(Output& output, const Race& race, uint64_t found_at, Report& report) const {
    XS_TRY(const auto scenario, load(race.control, race.control_flavour));
    XS_TRY(const auto found, search(output, scenario, std::max(found_at * kControlFactor, kLeastControl), ""));
    *report.schedules += found.schedules;
    if (found.failure) return unexpected(report, race, fmt::format("{} fails too", race.control_title));
    output.print(fmt::format("And {}: no failure in {} schedules.", race.control_title, found.schedules));
    return true;
  }

  std::string engine_;
};

}  // namespace

std::unique_ptr<Command> make_demo_command() { return std::make_unique<DemoCommand>(); }

}  // namespace xensim::sim
