// explore: runs a scenario under many schedules until one fails, then makes of that failure a short schedule, a trace
// and a story.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/explore/search/search.h"
#include "sim/explore/strategies/schedule.h"
#include "sim/machine/snapshot/snapshot.h"
#include "sim/machine/wall_limit.h"
#include "sim/scenario/outcome.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

// Not a sample of the schedules but all of them, up to what makes no difference.
struct ExhaustiveOptions {
  std::optional<unsigned> preemptions;  // with at most so many; nullopt: all
};

// What an exhaustive search has to say besides.
struct ExhaustiveReport {
  SearchCounts counts;
  bool complete = false;     // nothing was left out but what the reduction shows to be the same
  bool became_fair = false;  // a run was too long: from some point on its schedule was not the search's
  std::string divergence;    // the guest did not do the same again: why nothing is certain; else empty
};

struct ExploreOptions {
  BackendKind backend = BackendKind::kNative;
  std::string strategy = "pos";                 // a name of registry.h
  unsigned depth = 3;                           // pct: bug depth, at least 1
  std::optional<ExhaustiveOptions> exhaustive;  // then there is no strategy; `schedules` bounds its runs
  uint64_t seed = 0;
  uint64_t schedules = 10'000;  // to try, at most
  unsigned jobs = 1;            // processes that run them; the report is the same for any number
  std::string trace_path;       // where the trace of the shrunk failure goes; empty: none
  // Every schedule begins here, each in a copy of the process; borrowed, and no trace is made. nullptr: at the
  // beginning.
  const Snapshot* from = nullptr;
  const WallLimit* wall = nullptr;  // of the search and of making the failure shorter; borrowed
  // Called now and then with the schedules tried so far; for a progress line alone.
  std::function<void(uint64_t)> on_progress;
};

struct ExploreReport {
  uint64_t schedules = 0;          // tried
  bool wall_limited = false;       // and none failed until ExploreOptions::wall was over
  uint64_t points = 0;             // scheduling points passed in all of them
  std::optional<Outcome> failure;  // of the shrunk schedule
  uint64_t found_at = 0;           // number of the schedule that failed, from 1
  Schedule found;                  // as the strategy chose
  Schedule shrunk;                 // fewest decisions
  uint64_t shrink_runs = 0;
  std::optional<ExhaustiveReport> exhaustive;
  std::string timeline;             // a column an actor, the steps that matter
  std::optional<bool> soft_agrees;  // natively found: does the software CPU fail in the same way under `shrunk`?
};

Result<ExploreReport> explore(const Scenario& scenario, const ExploreOptions& options);

// The shortest list of decisions under which `fails` still holds, by delta debugging; each call of `fails` is one run.
std::vector<Decision> shrink_decisions(std::vector<Decision> decisions,
                                       const std::function<bool(const std::vector<Decision>&)>& fails);

// Runs the scenario under the schedule, from the snapshot where there is one, and draws it. `outcome` is that run's.
Result<std::string> draw_timeline(const Scenario& scenario, BackendKind backend, const Schedule& schedule,
                                  const Snapshot* from, Outcome& outcome);

}  // namespace xensim::sim
