// Recorder and replay: nanoseconds to write an event, bytes of a file an event takes, what the decorators add to a call
// of the core, and events a second that replay verifies. The core is the small one of the tests: its work costs next to
// nothing, so that these are figures of the traces alone.
#include <benchmark/benchmark.h>

#include <sstream>

#include "sim/replay/core_replay.h"
#include "traces/recording_core.h"
#include "traces/recording_platform.h"
#include "traces/testing/sample.h"
#include "traces/testing/small_core.h"

namespace {

using namespace xensim;
using namespace xensim::traces;

void set_event_counters(benchmark::State& state, uint64_t events) {
  state.counters["events/s"] = benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
  state.counters["time/event"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_EncodeToHash(benchmark::State& state) {
  RunContext context;
  HashSink sink;
  EventWriter events(context, sink);
  uint64_t round = 0;
  for (auto _ : state) write_round(events, context, round++);
  events.flush();
  set_event_counters(state, events.events());
}
BENCHMARK(BM_EncodeToHash);

void BM_EncodeToFile(benchmark::State& state) {
  TempFolder folder;
  auto writer = std::move(TraceWriter::create(folder / "a", sample_info()).value());
  RunContext context;
  EventWriter events(context, *writer);
  uint64_t round = 0;
  for (auto _ : state) write_round(events, context, round++);
  events.flush();
  set_event_counters(state, events.events());
  state.counters["bytes/event"] = static_cast<double>(writer->bytes_written()) / static_cast<double>(events.events());
}
BENCHMARK(BM_EncodeToFile);

xen::HypercallRegs send_regs(uint64_t port) {
  xen::HypercallRegs regs;
  regs.args[0] = port & 63;
  return regs;
}

void BM_CallUnrecorded(benchmark::State& state) {
  PlainPlatform plain;
  SmallCore core(plain);
  xen::CoreApi& api = core;
  uint64_t port = 0;
  for (auto _ : state) benchmark::DoNotOptimize(api.hypercall(vcpu(1, 0), send_regs(port++)));
}
BENCHMARK(BM_CallUnrecorded);

// The same call, recorded to a file: 7 events.
void BM_CallRecorded(benchmark::State& state) {
  TempFolder folder;
  auto writer = std::move(TraceWriter::create(folder / "a", sample_info()).value());
  RunContext context;
  EventWriter events(context, *writer);
  PlainPlatform plain;
  RecordingPlatform platform(plain, events);
  SmallCore core(platform);
  RecordingCore recording(core, events);
  xen::CoreApi& api = recording;
  uint64_t port = 0;
  for (auto _ : state) {
    context.time.v += 500;
    benchmark::DoNotOptimize(api.hypercall(vcpu(1, 0), send_regs(port++)));
  }
  events.flush();
  set_event_counters(state, events.events());
  state.counters["bytes/event"] = static_cast<double>(writer->bytes_written()) / static_cast<double>(events.events());
}
BENCHMARK(BM_CallRecorded);

// A whole trace file, in memory, of `calls` calls by two vCPUs in turn.
std::string recorded_file(uint64_t calls) {
  TempFolder folder;
  auto writer = std::move(TraceWriter::create(folder / "a", sample_info()).value());
  RunContext context;
  EventWriter events(context, *writer);
  PlainPlatform plain;
  RecordingPlatform platform(plain, events);
  SmallCore core(platform);
  RecordingCore recording(core, events);
  xen::DomainConfig config;
  config.id = DomId{1};
  config.vcpus = 2;
  XS_CHECK(recording.create_domain(config).has_value());
  for (uint64_t i = 0; i < calls; i++) {
    const auto number = static_cast<uint32_t>(i & 1);
    context = {static_cast<ActorId>(1 + number), VirtualNs{i * 500}};
    recording.hypercall(vcpu(1, number), send_regs(i));
  }
  events.flush();
  XS_CHECK(writer->finish("pass").has_value());
  return read_file(folder / "a");
}

std::unique_ptr<TraceReader> open(const std::string& file) {
  return std::move(TraceReader::open(std::make_unique<std::istringstream>(file), "bench").value());
}

void BM_Read(benchmark::State& state) {
  const std::string file = recorded_file(100000);
  uint64_t events = 0;
  for (auto _ : state) {
    const auto reader = open(file);
    while (reader->next() != nullptr) {
    }
    events += reader->events();
  }
  set_event_counters(state, events);
}
BENCHMARK(BM_Read)->Unit(benchmark::kMillisecond);

void BM_Replay(benchmark::State& state) {
  const std::string file = recorded_file(100000);
  uint64_t events = 0;
  for (auto _ : state) {
    const auto reader = open(file);
    const auto outcome = sim::replay_at_core(*reader, make_small_core);
    XS_CHECK(outcome.has_value() && !outcome->divergence);
    events += outcome->verified;
  }
  set_event_counters(state, events);
}
BENCHMARK(BM_Replay)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
