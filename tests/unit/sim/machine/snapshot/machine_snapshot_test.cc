// A machine saved in the middle of each scenario and restored goes on as the one that was not interrupted: the same
// trace hash, the same console, the same end.
#include <doctest/doctest.h>

#include <algorithm>

#include "sim/run/run.h"
#include "sim/soft/soft_machine.h"
#include "tests/unit/sim/scenario_paths.h"

namespace xensim::sim {
namespace {

struct Ran {
  std::string hash;
  Outcome outcome;
  std::optional<Snapshot> snapshot;
};

Ran run(Machine& machine, std::optional<VirtualNs> save_at, const Snapshot* from, uint64_t seed = 0) {
  traces::HashSink hash;
  Ran ran;
  MachineOptions options;
  options.seed = seed;
  options.sink = options.hash = &hash;
  options.from = from;
  if (save_at) options.snapshot = SnapshotPoint{save_at};
  options.on_snapshot = [&](Snapshot snapshot) {
    ran.snapshot = std::move(snapshot);
    return true;
  };
  machine.reset(options);
  REQUIRE(machine.prepare().has_value());
  ran.outcome = machine.run();
  ran.hash = traces::to_string(hash.hash());
  return ran;
}

std::string words(const Outcome& outcome) {
  std::string text;
  for (const ConsoleLine& line : outcome.console) text += line.guest + ": " + line.text + "\n";
  for (const DomainEnd& end : outcome.ends) text += end.guest + " " + end.how + "\n";
  if (outcome.failure) text += "failure: " + outcome.failure->message + "\n";
  return text + std::to_string(outcome.instructions) + " " + std::to_string(outcome.virtual_ns) + " " +
         std::to_string(outcome.hypercalls) + " " + std::to_string(outcome.switches);
}

void check_same(const Ran& whole, const Ran& other) {
  CHECK(other.hash == whole.hash);
  CHECK(words(other.outcome) == words(whole.outcome));
}

// Whole, saved on the way, restored into the same machine and into another. How many times it was saved.
unsigned check_scenario(const Scenario& scenario, uint64_t seed) {
  auto machine = make_machine(scenario, BackendKind::kSoft);
  REQUIRE(machine.has_value());
  const Ran whole = run(**machine, {}, nullptr, seed);
  unsigned snapshots = 0;
  for (const uint64_t part : {0, 1, 2, 3}) {
    CAPTURE(part);
    const VirtualNs at{whole.outcome.virtual_ns * part / 4};
    const Ran saved = run(**machine, at, nullptr, seed);
    check_same(whole, saved);
    if (!saved.snapshot) continue;  // its last turn had begun before
    ++snapshots;
    check_same(whole, run(**machine, {}, &*saved.snapshot, seed));
    auto fresh = make_machine(scenario, BackendKind::kSoft);
    REQUIRE(fresh.has_value());
    // The seed counts at the beginning alone: a restored machine has its generator as it was.
    check_same(whole, run(**fresh, {}, &*saved.snapshot, seed + 1));
  }
  return snapshots;
}

TEST_CASE("a restored machine goes on as the one that was not interrupted") {
  size_t runs = 0, snapshots = 0;
  for (const std::string& path : scenario_paths()) {
    const auto scenario = load_scenario(path, {XENSIM_BINARY_DIR "/guests"}, {});
    if (!scenario) continue;  // a scenario that needs more than this build has
    const auto& backends = scenario->backends;
    if (std::find(backends.begin(), backends.end(), BackendKind::kSoft) == backends.end()) continue;
    CAPTURE(path);
    snapshots += check_scenario(*scenario, runs);
    ++runs;
  }
  CHECK(runs >= 10);
  CHECK(snapshots >= 3 * runs);
}

TEST_CASE("a snapshot of another time than its head says is refused") {
  const auto scenario =
      load_scenario(XENSIM_SOURCE_DIR "/scenarios/ipi/ping_pong.toml", {XENSIM_BINARY_DIR "/guests"}, {});
  REQUIRE(scenario.has_value());
  auto machine = make_machine(*scenario, BackendKind::kSoft);
  REQUIRE(machine.has_value());
  Ran saved = run(**machine, VirtualNs{1}, nullptr);
  REQUIRE(saved.snapshot.has_value());
  ++saved.snapshot->time.v;
  MachineOptions options;
  options.from = &*saved.snapshot;
  (*machine)->reset(options);
  const Status prepared = (*machine)->prepare();
  REQUIRE_FALSE(prepared.has_value());
  CHECK(prepared.error().message == "snapshot: it was made at another time than it says");
}

}  // namespace
}  // namespace xensim::sim
