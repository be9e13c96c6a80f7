// The core is saved, thrown away, made anew and restored in the middle of every scenario, again and again: the trace is
// the same as if it had not been.
#include <doctest/doctest.h>

#include "sim/explore/strategies/strategies.h"
#include "sim/run/run.h"
#include "tests/unit/sim/scenario_paths.h"

namespace xensim::sim {
namespace {

struct Run {
  std::string hash;
  std::string failure;
};

Run run(Machine& machine, BackendKind backend, uint64_t seed, uint64_t round_trip_every) {
  const std::unique_ptr<Strategy> strategy = seed != 0 ? make_random(seed) : make_round_robin(0);
  traces::HashSink hash;
  MachineOptions options;
  options.sink = &hash;
  options.round_trip_every = round_trip_every;
  options.checks = round_trip_every != 0;
  if (backend == BackendKind::kNative || seed != 0) options.strategy = strategy.get();
  machine.reset(options);
  const Outcome outcome = machine.run();
  return {traces::to_string(hash.hash()), outcome.failure ? outcome.failure->message : ""};
}

void check_backend(const Scenario& scenario, BackendKind backend) {
  auto machine = make_machine(scenario, backend);
  REQUIRE(machine.has_value());
  // Under a strategy each turn is short, and each may be cut; a plain run has many of them.
  for (const uint64_t seed : {0, 1, 2}) {
    const Run plain = run(**machine, backend, seed, 0);
    const Run restored = run(**machine, backend, seed, seed == 0 && backend == BackendKind::kSoft ? 17 : 1);
    CAPTURE(seed);
    CHECK(restored.hash == plain.hash);
    CHECK(restored.failure == plain.failure);
  }
}

TEST_CASE("a restored core goes on with the same trace") {
  size_t runs = 0;
  for (const std::string& path : scenario_paths()) {
    const auto scenario = load_scenario(path, {XENSIM_BINARY_DIR "/guests"}, {});
    if (!scenario) continue;  // a scenario that needs more than this build has
    for (const BackendKind backend : scenario->backends) {
      if (backend == BackendKind::kKvm) continue;
      CAPTURE(path);
      CAPTURE(std::string(backend_name(backend)));
      check_backend(*scenario, backend);
      ++runs;
    }
  }
  CHECK(runs >= 10);
}

}  // namespace
}  // namespace xensim::sim
