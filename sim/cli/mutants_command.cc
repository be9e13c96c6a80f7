// xensim mutants: defects of the corpus of races are planted into the core one by one, and the search has to find each
// with the scenario that is there for it.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/explore/explore.h"
#include "sim/explore/mutants.h"

namespace xensim::sim {

namespace {

namespace fs = std::filesystem;

// How often a mutant was found, and by which schedule.
struct Found {
  std::vector<uint64_t> at;  // one a seed that found it
  size_t decisions = 0;      // of the shortest schedule
  std::string kind;          // of the failure

  uint64_t median() {
    std::sort(at.begin(), at.end());
    return at[(at.size() - 1) / 2];
  }
};

class MutantsCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("scenario", scenario_, "only the mutants that this scenario is there for");
    app.add_option("--mutant", mutant_, "only this one: its entry in the corpus (B-X15) or its name");
    app.add_option("--schedules", schedules_, "to try for each seed, at most")
        ->check(whole_number())
        ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
    app.add_option("--seeds", seeds_, "searches for each mutant")->check(whole_number())->check(CLI::Range(1, 1000));
  }

  Result<Report> run(Output& output) override {
    XS_TRY(const auto wanted, choose());
    Report report;
    report.items = nlohmann::ordered_json::array();
    output.print(fmt::format("{:<7} {:<26} {:<30} {:>6} {:>9} {:>10}  {}", "entry", "mutant", "scenario", "found",
                             "schedules", "decisions", "as"));
    for (const Mutant& mutant : wanted) {
      XS_TRY(Found found, search(mutant));
      tell(output, mutant, found, report);
    }
    return report;
  }

 private:
  static std::string file_of(const Mutant& mutant) {
    return (fs::path(install_paths().scenarios) / (std::string(mutant.scenario) + ".toml")).string();
  }

  // The scenario may be named by its path, or as `mutants` itself names it.
  bool is_wanted(const Mutant& mutant) const {
    if (!mutant_.empty() && mutant_ != mutant.entry && mutant_ != mutant.trait) return false;
    if (scenario_.empty() || scenario_ == mutant.scenario) return true;
    std::error_code error;
    return fs::equivalent(scenario_, file_of(mutant), error);
  }

  Result<std::vector<Mutant>> choose() const {
    std::vector<Mutant> wanted;
    for (const Mutant& mutant : all_found_mutants()) {
      if (is_wanted(mutant)) wanted.push_back(mutant);
    }
    if (!wanted.empty()) return wanted;
    if (!mutant_.empty())
      return input_error(fmt::format("there is no mutant {} (xensim mutants has them all)", mutant_));
    return input_error(fmt::format("{}: no mutant has this scenario (xensim mutants has them all)", scenario_));
  }

  Result<Found> search(const Mutant& mutant) const {
    XS_TRY(const auto scenario,
           load_scenario(file_of(mutant), image_paths(), {{"machine.flavour", fmt::format("xen+{}", mutant.trait)}}));
    Found found;
    for (uint64_t seed = 0; seed < seeds_; ++seed) {
      ExploreOptions options;
      options.seed = seed;
      options.schedules = schedules_;
      XS_TRY(const auto report, explore(scenario, options));
      if (!report.failure || !report.failure->failure) continue;
      const size_t decisions = report.shrunk.decisions.size();
      found.decisions = found.at.empty() ? decisions : std::min(found.decisions, decisions);
      found.at.push_back(report.found_at);
      found.kind = failure_kind_name(report.failure->failure->kind);
    }
    return found;
  }

  void tell(Output& output, const Mutant& mutant, Found& found, Report& report) const {
    const bool all = found.at.size() == seeds_;
    const uint64_t median = found.at.empty() ? 0 : found.median();
    output.print(fmt::format("{:<7} {:<26} {:<30} {:>6} {:>9} {:>10}  {}", mutant.entry, mutant.trait, mutant.scenario,
                             fmt::format("{}/{}", found.at.size(), seeds_),
                             found.at.empty() ? "" : std::to_string(median),
                             found.at.empty() ? "" : std::to_string(found.decisions), found.kind));
    report.items->push_back({{"name", mutant.trait},
                             {"entry", mutant.entry},
                             {"scenario", mutant.scenario},
                             {"result", all ? "found" : "missed"},
                             {"seeds", seeds_},
                             {"found", found.at.size()},
                             {"schedules", median},
                             {"decisions", found.decisions},
                             {"kind", found.kind}});
    if (all || report.failure) return;
    report.result = ReportResult::kFail;
    report.failure = Failure{FailureKind::kExpectation,
                             fmt::format("mutant {} was found with {} of {} seeds in {} schedules", mutant.trait,
                                         found.at.size(), seeds_, schedules_),
                             std::string(mutant.scenario),
                             {}};
    report.reproduce =
        fmt::format("xensim mutants --mutant {} --seeds {} --schedules {}", mutant.trait, seeds_, schedules_);
  }

  std::string scenario_, mutant_;
  uint64_t schedules_ = 10'000;
  uint64_t seeds_ = 1;
};

}  // namespace

std::unique_ptr<Command> make_mutants_command() { return std::make_unique<MutantsCommand>(); }

}  // namespace xensim::sim
