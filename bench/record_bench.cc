// Guests on the software CPU, each run with nothing recorded, with the hash alone (a plain run) and with a trace on
// disk, in turn: what recording costs, as a ratio in one run (of processor time, the kernel's for the file too).
// Then replay of such traces, and hypercalls a second from a guest beside the same call at the core.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bench/cpu_clock.h"
#include "bench/value_or_die.h"
#include "models/base/check.h"
#include "models/xen/abi/public.h"
#include "models/xen/testing/plain_platform.h"
#include "sim/replay/core_replay.h"
#include "sim/run/run.h"
#include "traces/trace_file.h"

namespace {

using namespace xensim;
using namespace xensim::sim;

// A scenario of scenarios/, or an ELF of the benchmark's own.
Scenario scenario_of(const std::string& path) {
  return value_or_die(load_scenario(path, ImagePaths{XENSIM_BINARY_DIR "/guests"}, {}));
}
std::string of_tree(const char* name) { return std::string(XENSIM_SOURCE_DIR "/scenarios/") + name; }
std::string of_bench(const char* name) { return std::string(XENSIM_BINARY_DIR "/bench/guests/") + name; }

// A scenario's machine, and what a run of it under a sink takes. Making the machine and resetting it are not timed.
class Runner {
 public:
  explicit Runner(const std::string& path)
      : scenario_(scenario_of(path)),
        machine_(value_or_die(make_machine(scenario_, BackendKind::kSoft))),
        info_(value_or_die(trace_info(scenario_, *machine_, BackendKind::kSoft, 0, ""))) {
    std::string pattern = (std::filesystem::temp_directory_path() / "xensim-bench-XXXXXX").string();
    XS_CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
  }
  ~Runner() { std::filesystem::remove_all(folder_); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  double run(traces::EventSink* sink) {
    MachineOptions options;
    options.sink = sink;
    machine_->reset(options);
    const double begin = cpu_seconds();
    outcome = machine_->run();
    const double seconds = cpu_seconds() - begin;
    XS_CHECK(!outcome.failure);
    return seconds;
  }

  // `run` alone, and with making, ending and renaming the file.
  struct Recorded {
    double run, whole;
  };
  Recorded run_to_file() {
    const double begin = cpu_seconds();
    const auto writer = value_or_die(traces::TraceWriter::create(trace_path(), info_));
    const double created = cpu_seconds() - begin;
    const double ran = run(writer.get());
    const double end = cpu_seconds();
    XS_CHECK(writer->finish("pass").has_value());
    const double finished = cpu_seconds() - end;
    events = writer->events();
    bytes = writer->bytes_written();
    return {ran, created + ran + finished};
  }

  std::string trace_path() const { return (folder_ / "trace").string(); }

  Outcome outcome;      // of the last run
  uint64_t events = 0;  // of the last recording
  uint64_t bytes = 0;   // its file

 private:
  Scenario scenario_;
  std::unique_ptr<Machine> machine_;
  traces::TraceInfo info_;
  std::filesystem::path folder_;
};

// Medians of runs that take turns, so that a busy moment of the machine falls on all of them.
void recording(benchmark::State& state, const std::string& path) {
  Runner runner(path);
  runner.run(nullptr);
  std::vector<double> nothing, hashed, recorded, whole;
  for (auto _ : state) {
    nothing.push_back(runner.run(nullptr));
    traces::HashSink hash;
    hashed.push_back(runner.run(&hash));
    const auto file = runner.run_to_file();
    recorded.push_back(file.run);
    whole.push_back(file.whole);
  }
  const double base = median(nothing);
  state.counters["us"] = base * 1e6;
  state.counters["hash_ratio"] = median(hashed) / base;
  state.counters["file_ratio"] = median(recorded) / base;
  state.counters["file_to_hash"] = median(recorded) / median(hashed);
  state.counters["file_whole_ratio"] = median(whole) / base;
  state.counters["events"] = static_cast<double>(runner.events);
  state.counters["instructions"] = static_cast<double>(runner.outcome.instructions);
  state.counters["bytes/event"] = static_cast<double>(runner.bytes) / static_cast<double>(runner.events);
}
BENCHMARK_CAPTURE(recording, ping_pong_8, of_tree("ipi/ping_pong_8.toml"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(recording, singleshot, of_tree("timer/singleshot.toml"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(recording, work, of_bench("bench_work.elf"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(recording, nothing_but_sends, of_bench("bench_send.elf"))->Unit(benchmark::kMillisecond);

// The guest's trace, from its file, verified at the real core. Events that are the machine's own are read and skipped.
void replaying(benchmark::State& state, const std::string& path) {
  Runner runner(path);
  runner.run_to_file();
  uint64_t events = 0, verified = 0;
  for (auto _ : state) {
    const auto reader = value_or_die(traces::TraceReader::open(runner.trace_path()));
    const ReplayOutcome outcome = value_or_die(replay_at_core(*reader, xen::make_core));
    XS_CHECK(!outcome.divergence && outcome.trace_problem.empty());
    verified += outcome.verified;
    events += outcome.verified + outcome.skipped;
  }
  state.counters["events/s"] = benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
  state.counters["verified/s"] = benchmark::Counter(static_cast<double>(verified), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(replaying, ping_pong_8, of_tree("ipi/ping_pong_8.toml"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replaying, singleshot, of_tree("timer/singleshot.toml"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replaying, send_and_deliver, of_bench("bench_deliver.elf"))->Unit(benchmark::kMillisecond);

// Seconds that `calls` sends to a pending port take at the core, on a Platform that does nothing else.
double sends_at_core(uint64_t calls) {
  constexpr uint64_t kRamBytes = 1 << 20, kArgument = 0x1000;
  constexpr VcpuRef kVcpu{DomId{1}, VcpuId{0}};
  PlainPlatform platform(kRamBytes);
  const xen::CoreInstance core = xen::make_core(platform, xen::Flavour{});
  xen::DomainConfig config;
  config.id = kVcpu.dom;
  config.vcpus = 1;
  config.ram = {{Gpa{0}, kRamBytes, Maddr{0}}};
  XS_CHECK(core.api->create_domain(config).has_value());
  const auto call = [&](uint64_t op) {
    return core.api->hypercall(kVcpu, {.nr = __HYPERVISOR_event_channel_op, .args = {op, kArgument}});
  };
  auto& bind = *reinterpret_cast<evtchn_bind_ipi*>(platform.host(Maddr{kArgument}));
  bind = {.vcpu = 0, .port = 0};
  XS_CHECK(call(EVTCHNOP_bind_ipi) == 0);
  const evtchn_port_t port = bind.port;
  reinterpret_cast<evtchn_send*>(platform.host(Maddr{kArgument}))->port = port;
  const double begin = cpu_seconds();
  for (uint64_t i = 0; i < calls; ++i) benchmark::DoNotOptimize(call(EVTCHNOP_send));
  return cpu_seconds() - begin;
}

// Calls a second of a guest that does little else, with nothing recorded; booting it (some 10 us) is in the figure.
void calls_from_guest(benchmark::State& state, const std::string& path) {
  Runner runner(path);
  runner.run(nullptr);
  std::vector<double> through_cpu, at_core;
  for (auto _ : state) {
    through_cpu.push_back(runner.run(nullptr));
    at_core.push_back(sends_at_core(runner.outcome.hypercalls));
  }
  const auto calls = static_cast<double>(runner.outcome.hypercalls);
  state.counters["calls/s"] = calls / median(through_cpu);
  state.counters["core_calls/s"] = calls / median(at_core);
  state.counters["ratio"] = median(through_cpu) / median(at_core);
}
BENCHMARK_CAPTURE(calls_from_guest, send, of_bench("bench_send.elf"))->Unit(benchmark::kMillisecond);
// Each send here is delivered: an upcall through the IDT, the kit's dispatch, IRET.
BENCHMARK_CAPTURE(calls_from_guest, send_and_deliver, of_bench("bench_deliver.elf"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(calls_from_guest, ping_pong_8, of_tree("ipi/ping_pong_8.toml"))->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
