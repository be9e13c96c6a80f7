// Runs in copies of the process: each is as a restored run, and none disturbs another or the machine that they began
// at.
#include "sim/process/machine_fork.h"

#include <doctest/doctest.h>

#include <csignal>

#include "sim/explore/explore.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/run/run.h"

namespace xensim::sim {
namespace {

Scenario scenario_of(const std::string& file) {
  auto scenario = load_scenario(XENSIM_SOURCE_DIR "/scenarios/" + file, {XENSIM_BINARY_DIR "/guests"}, {});
  REQUIRE(scenario.has_value());
  return *scenario;
}

Snapshot snapshot_of(const Scenario& scenario, VirtualNs at) {
  auto machine = make_machine(scenario, BackendKind::kSoft);
  REQUIRE(machine.has_value());
  std::optional<Snapshot> saved;
  MachineOptions options;
  options.snapshot = SnapshotPoint{at};
  options.on_snapshot = [&](Snapshot snapshot) {
    saved = std::move(snapshot);
    return false;
  };
  (*machine)->reset(options);
  (*machine)->run();
  REQUIRE(saved.has_value());
  auto info = trace_info(scenario, **machine, BackendKind::kSoft, 0, "");
  REQUIRE(info.has_value());
  saved->info = *info;
  return std::move(*saved);
}

struct Ran {
  std::string hash;
  uint64_t points = 0;
  std::string failure;
  friend bool operator==(const Ran&, const Ran&) = default;
};

Ran ran(const traces::HashSink& hash, const Outcome& outcome) {
  return {traces::to_string(hash.hash()), outcome.points, outcome.failure ? outcome.failure->message : ""};
}

// A machine that stands where the snapshot was made, under some strategy.
struct Warm {
  Warm(const Scenario& scenario, const Snapshot& from) : first(make_round_robin(0)) {
    auto made = make_machine(scenario, BackendKind::kSoft, &from);
    REQUIRE(made.has_value());
    machine = std::move(*made);
    MachineOptions options;
    options.strategy = first.get();
    options.sink = options.hash = &hash;
    options.from = &from;
    machine->reset(options);
    REQUIRE(machine->prepare().has_value());
  }
  std::unique_ptr<Strategy> first;
  traces::HashSink hash;
  std::unique_ptr<Machine> machine;
};

Ran run_here(const Scenario& scenario, const Snapshot& from, uint64_t seed) {
  Warm warm(scenario, from);
  const auto strategy = make_random(seed);
  warm.machine->set_strategy(*strategy);
  const Outcome outcome = warm.machine->run();
  return ran(warm.hash, outcome);
}

Ran run_forked(Warm& warm, uint64_t seed) {
  const auto strategy = make_random(seed);
  std::string hash;
  const Outcome outcome = run_in_copy(*warm.machine, *strategy, [&](StateArchive& ar) {
    if (!ar.loading()) hash = traces::to_string(warm.hash.hash());
    ar("hash", hash, 64);
  });
  return {hash, outcome.points, outcome.failure ? outcome.failure->message : ""};
}

TEST_CASE("a run in a copy is that of a restored machine, and leaves the machine as it was") {
  for (const char* file : {"ipi/ping_pong.toml", "races/poller.toml", "races/late_timer.toml"}) {
    CAPTURE(std::string(file));
    const Scenario scenario = scenario_of(file);
    const Snapshot from = snapshot_of(scenario, VirtualNs{5000});
    Warm warm(scenario, from);
    std::vector<Ran> first, again, here;
    for (uint64_t seed = 1; seed <= 6; ++seed) first.push_back(run_forked(warm, seed));
    for (uint64_t seed = 6; seed >= 1; --seed) again.insert(again.begin(), run_forked(warm, seed));
    for (uint64_t seed = 1; seed <= 6; ++seed) here.push_back(run_here(scenario, from, seed));
    CHECK(first == again);
    CHECK(first == here);
    CHECK(first[0].hash != first[1].hash);
    // The parent itself still stands at the beginning.
    const auto strategy = make_random(3);
    warm.machine->set_strategy(*strategy);
    const Outcome outcome = warm.machine->run();
    CHECK(ran(warm.hash, outcome) == first[2]);
  }
}

TEST_CASE("a copy's result comes back whole, and one that dies is an error") {
  std::string text;
  REQUIRE(run_in_copy([&] { text.assign(1 << 20, 'x'); }, [&](StateArchive& ar) { ar("text", text, 1 << 21); })
              .has_value());
  CHECK(text == std::string(1 << 20, 'x'));
  const Status died = run_in_copy([] { raise(SIGKILL); }, [](StateArchive&) {});
  REQUIRE(!died.has_value());
  CHECK(died.error().message == "a copy of the process ended with signal 9");
  const Status threw = run_in_copy([] { throw std::runtime_error("no"); }, [](StateArchive&) {});
  CHECK(!threw.has_value());
}

TEST_CASE("exploration from a snapshot finds the race, shrinks and draws it, with any number of jobs") {
  const Scenario scenario = scenario_of("races/end_access.toml");
  const Snapshot from = snapshot_of(scenario, VirtualNs{5000});
  ExploreOptions options;
  options.backend = BackendKind::kSoft;
  options.schedules = 60;
  options.from = &from;
  const auto found = explore(scenario, options);
  REQUIRE_MESSAGE(found.has_value(), (found ? "" : found.error().message));
  REQUIRE(found->failure.has_value());
  CHECK(found->failure->failure.has_value());
  CHECK(!found->shrunk.decisions.empty());
  CHECK(found->timeline.find("goes on") != std::string::npos);
  options.jobs = 2;
  const auto shared = explore(scenario, options);
  REQUIRE(shared.has_value());
  CHECK(shared->found_at == found->found_at);
  CHECK(format_schedule(shared->shrunk) == format_schedule(found->shrunk));
  // The schedule is the snapshot's: from the beginning it is refused.
  RunOptions run;
  run.schedule_text = format_schedule(found->shrunk);
  CHECK(!run_scenario(scenario, run).has_value());
  run.from = &from;
  const auto replayed = run_scenario(scenario, run);
  REQUIRE(replayed.has_value());
  CHECK(replayed->failure.has_value());
}

}  // namespace
}  // namespace xensim::sim
