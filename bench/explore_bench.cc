// Native exploration: schedules a second, and what a scheduling point costs beside a bare fiber switch and the core's
// own work.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "models/base/check.h"
#include "models/base/prng.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/fiber/fiber.h"
#include "sim/run/run.h"

namespace {

using namespace xensim;
using namespace xensim::sim;

void BM_FiberSwitch(benchmark::State& state) {
  struct Ping {
    Fiber* fiber;
  };
  Fiber fiber;
  Ping ping{&fiber};
  fiber.start(
      [](void* argument) {
        for (;;) static_cast<Ping*>(argument)->fiber->yield();
      },
      &ping);
  for (auto _ : state) fiber.resume();
  fiber.abandon();
  // One resume is two switches.
  state.counters["ns_per_switch"] = benchmark::Counter(static_cast<double>(state.iterations()) * 2,
                                                       benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_FiberSwitch);

Scenario scenario_of(const char* name) {
  auto scenario = load_scenario(std::string(XENSIM_SOURCE_DIR "/scenarios/races/") + name,
                                ImagePaths{XENSIM_BINARY_DIR "/guests"}, {});
  if (!scenario) {
    std::fprintf(stderr, "%s\n", scenario.error().message.c_str());
    std::abort();
  }
  return *scenario;
}

// Runs one schedule after another with `make(seed)`; a point's cost is the time of the whole divided by its points.
template <class Make>
void run_schedules(benchmark::State& state, const char* name, Make make) {
  const Scenario scenario = scenario_of(name);
  auto machine = make_machine(scenario, BackendKind::kNative);
  if (!machine) {
    state.SkipWithError(machine.error().message.c_str());
    return;
  }
  Prng seeds(1);
  uint64_t points = 0, switches = 0, hypercalls = 0;
  for (auto _ : state) {
    const std::unique_ptr<Strategy> strategy = make(seeds.next());
    MachineOptions options;
    options.strategy = strategy.get();
    (*machine)->reset(options);
    const Outcome outcome = (*machine)->run();
    points += outcome.points;
    switches += outcome.switches;
    hypercalls += outcome.hypercalls;
  }
  state.counters["schedules/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["points"] = benchmark::Counter(static_cast<double>(points), benchmark::Counter::kAvgIterations);
  state.counters["switches"] = benchmark::Counter(static_cast<double>(switches), benchmark::Counter::kAvgIterations);
  state.counters["hypercalls"] =
      benchmark::Counter(static_cast<double>(hypercalls), benchmark::Counter::kAvgIterations);
  state.counters["s_per_point"] =
      benchmark::Counter(static_cast<double>(points), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_NativeRandom(benchmark::State& state) {
  run_schedules(state, "evtchn_affinity_fixed.toml", [](uint64_t seed) { return make_random(seed); });
}
BENCHMARK(BM_NativeRandom);

void BM_NativePct(benchmark::State& state) {
  run_schedules(state, "evtchn_affinity_fixed.toml", [](uint64_t seed) { return make_pct(seed, 3, 500); });
}
BENCHMARK(BM_NativePct);

// The same work with a strategy that never switches of its own accord: points are decided, fibers are not switched.
class Straight final : public Strategy {
 public:
  unsigned choose(const Choice& choice) override { return default_choice(choice); }
};

void BM_NativeNoSwitch(benchmark::State& state) {
  run_schedules(state, "evtchn_affinity_fixed.toml", [](uint64_t) { return std::make_unique<Straight>(); });
}
BENCHMARK(BM_NativeNoSwitch);

// What a schedule costs before its first point: the machine put back to its beginning.
void BM_NativeReset(benchmark::State& state) {
  const Scenario scenario = scenario_of("evtchn_affinity_fixed.toml");
  auto machine = make_machine(scenario, BackendKind::kNative);
  if (!machine) {
    state.SkipWithError(machine.error().message.c_str());
    return;
  }
  Straight straight;
  MachineOptions options;
  options.strategy = &straight;
  for (auto _ : state) (*machine)->reset(options);
}
BENCHMARK(BM_NativeReset);

}  // namespace

BENCHMARK_MAIN();
