// Snapshots: reading and restoring one, and runs in copies of a warm machine. By default of a small scenario's machine;
// with a file as the first argument (`xensim boot --snapshot-at SHELL --save FILE`) of that one.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <string>

#include "bench/value_or_die.h"
#include "models/base/check.h"
#include "sim/cli/snapshot_options.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/machine/snapshot/snapshot_file.h"
#include "sim/process/machine_fork.h"
#include "sim/run/run.h"

namespace {

using namespace xensim;
using namespace xensim::sim;

std::string& file() {
  static std::string path;
  return path;
}

// A scenario of two vCPUs, saved after its first turn.
std::string save_scenario() {
  const Scenario scenario =
      value_or_die(load_scenario(XENSIM_SOURCE_DIR "/scenarios/ipi/ping_pong.toml", {XENSIM_BINARY_DIR "/guests"}, {}));
  RunOptions options;
  options.snapshot = SnapshotPoint{VirtualNs{1}};
  options.save_path = (std::filesystem::temp_directory_path() / "xensim_snapshot_bench.snap").string();
  XS_CHECK(value_or_die(run_scenario(scenario, options)).saved);
  return options.save_path;
}

// From the file to a machine that can run, as `--restore` does it.
void restoring(benchmark::State& state) {
  uint64_t pieces = 0;
  for (auto _ : state) {
    const OpenedSnapshot opened = value_or_die(open_snapshot(file()));
    const auto machine = value_or_die(make_machine(opened.scenario, BackendKind::kSoft, &opened.snapshot));
    MachineOptions options;
    options.from = &opened.snapshot;
    machine->reset(options);
    XS_CHECK(machine->prepare().has_value());
    pieces = opened.snapshot.memory.size();
  }
  state.counters["file_MiB"] = static_cast<double>(std::filesystem::file_size(file())) / (1 << 20);
  state.counters["memory_MiB"] = static_cast<double>(pieces);
}

// A copy of the process that holds the machine, and nothing done in it: what each schedule pays before it runs.
void forking(benchmark::State& state) {
  const OpenedSnapshot opened = value_or_die(open_snapshot(file()));
  const auto machine = value_or_die(make_machine(opened.scenario, BackendKind::kSoft, &opened.snapshot));
  const auto first = make_round_robin(0);
  MachineOptions options;
  options.strategy = first.get();
  options.from = &opened.snapshot;
  machine->reset(options);
  XS_CHECK(machine->prepare().has_value());
  uint64_t answer = 0;
  for (auto _ : state) {
    XS_CHECK(run_in_copy([&] { answer = 42; }, [&](StateArchive& ar) { ar("answer", answer); }).has_value());
  }
  XS_CHECK(answer == 42);
}

BENCHMARK(restoring)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(forking)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const bool given = argc > 1;
  file() = given ? std::string(argv[1]) : save_scenario();
  benchmark::RunSpecifiedBenchmarks();
  if (!given) std::filesystem::remove(file());
}
