// Replay at the core: what was recorded replays, and each difference is found.
#include "sim/replay/core_replay.h"

#include <doctest/doctest.h>

#include "models/base/prng.h"
#include "sim/fiber/fiber.h"
#include "traces/check.h"
#include "traces/recording_core.h"
#include "traces/recording_platform.h"
#include "traces/testing/sample.h"
#include "traces/testing/small_core.h"

namespace xensim::sim {
namespace {

using traces::EventWriter;
using traces::make_small_core;
using traces::PlainPlatform;
using traces::RecordingCore;
using traces::RecordingPlatform;
using traces::sample_info;
using traces::SmallCore;
using traces::TempFolder;
using traces::TraceReader;
using traces::TraceWriter;
using traces::vcpu;

// A recording under way: a small core between the two decorators.
struct Recording {
  std::unique_ptr<TraceWriter> file;
  RunContext context;
  EventWriter events;
  RecordingPlatform platform;
  SmallCore inner;
  RecordingCore core;

  Recording(const std::string& path, xen::Platform& under)
      : file(std::move(TraceWriter::create(path, sample_info()).value())),
        events(context, *file),
        platform(under, events),
        inner(platform),
        core(inner, events) {
    xen::DomainConfig config;
    config.id = DomId{1};
    config.vcpus = 2;
    config.ram.push_back({Gpa{0}, 1 << 20, Maddr{1 << 24}});
    CHECK(core.create_domain(config).has_value());
  }
  void finish() {
    events.flush();
    REQUIRE(file->finish("pass").has_value());
  }
};

void send(Recording& r, uint64_t port) { r.core.hypercall(vcpu(1, 0), {true, 0, true, 0, {port, 0, 0, 0, 0, 0}}); }

void every_entry(Recording& r) {
  r.context = {1, VirtualNs{100}};
  send(r, 3);
  r.core.hypercall(vcpu(1, 1), {true, 0, true, 1, {0x1000, 0, 0, 0, 0, 0}});
  r.core.hypercall(vcpu(1, 1), {true, 0, true, 55, {}});
  CHECK(r.core.write_msr(vcpu(1, 0), 5, 6, true));
  CHECK(r.core.read_msr(vcpu(1, 0), 1).has_value());
  CHECK_FALSE(r.core.read_msr(vcpu(1, 0), 2).has_value());
  CHECK(r.core.cpuid(vcpu(1, 0), 0x40000000, 0).has_value());
  CHECK_FALSE(r.core.cpuid(vcpu(1, 0), 1, 0).has_value());
  r.events.write(traces::Slice{vcpu(1, 0), 5, traces::SliceEnd::kBudget, Gva{1}});
  r.core.before_halt(vcpu(1, 0));
  r.core.halt(vcpu(1, 0), true);
  r.core.wake(vcpu(1, 0), false);
  CHECK(r.core.is_runnable(vcpu(1, 0)));
  CHECK(r.core.pending_upcall(vcpu(1, 0)).has_value());
  r.core.lapic_enabled(vcpu(1, 0));
  r.core.before_run(vcpu(1, 1));
  r.context = {3, VirtualNs{200}};
  r.core.timer_expired({xen::TimerKind::kPoll, vcpu(1, 1)});
  CHECK(r.core.external_event(DomId{1}, Port{7}) == -3);
  std::array<std::byte, 8> bytes{};
  const auto host_op = [&](xen::HostOpKind kind, std::span<const std::byte> data, std::span<std::byte> buffer) {
    return r.core.host_op(
        {.kind = kind, .host = DomId{9}, .guest = DomId{1}, .number = 4, .offset = 64, .data = data, .buffer = buffer});
  };
  CHECK(host_op(xen::HostOpKind::kCopyFromGrant, {}, bytes).number == 5);
  CHECK(host_op(xen::HostOpKind::kCopyToGrant, bytes, {}).status == -2);
  CHECK(host_op(xen::HostOpKind::kNotify, {}, {}).at == Maddr{0x1000});
  host_op(xen::HostOpKind::kDestroyDomain, {}, {});
}

Result<ReplayOutcome> replay(const std::string& path, const MakeCore& make_core = make_small_core) {
  auto reader = TraceReader::open(path);
  REQUIRE(reader.has_value());
  return replay_at_core(**reader, make_core);
}

std::string record(const TempFolder& folder, void (*body)(Recording&)) {
  PlainPlatform plain;
  Recording recording(folder / "a", plain);
  body(recording);
  recording.finish();
  return folder / "a";
}

TEST_CASE("replay: every entry of the core, verified without a CPU") {
  TempFolder folder;
  const std::string path = record(folder, every_entry);
  const Result<ReplayOutcome> outcome = replay(path);
  REQUIRE(outcome.has_value());
  if (outcome->divergence) FAIL(describe_divergence(*outcome->divergence));
  CHECK_FALSE(outcome->check_failure.has_value());
  CHECK(outcome->in_flight == 0);
  CHECK(outcome->skipped == 1);
  CHECK(outcome->verified > 40);
  CHECK(outcome->trace_problem.empty());
}

TEST_CASE("replay: an effect that is missing is the divergence, and said in words") {
  TempFolder folder;
  const std::string path = record(folder, every_entry);
  const Result<ReplayOutcome> outcome = replay(path, [](xen::Platform& platform, const xen::Flavour&) {
    return xen::CoreInstance{std::make_unique<SmallCore>(platform, false), nullptr};
  });
  REQUIRE(outcome.has_value());
  REQUIRE(outcome->divergence.has_value());
  const Divergence& divergence = *outcome->divergence;
  CHECK(divergence.expected == "kick d1v0");
  CHECK(divergence.got == "unlock channel_lock d1 5");
  CHECK(divergence.actor == "d1v0");
  CHECK(divergence.difference == "the kind of event: kick and unlock");
  CHECK(divergence.before.back() == "#6 d1v0 100ns rmw evtchn_pending[0] |= 8 (was 0)");
  CHECK(describe_divergence(divergence).starts_with("diverged at event 7, d1v0 at 100ns: they differ in"));
}

// A Platform on which every actor stops before each call, and a lock is a real one.
class FiberPlatform : public PlainPlatform {
 public:
  void point() {
    if (current != nullptr) current->yield();
  }
  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override {
    point();
    return PlainPlatform::load(site, at, bytes);
  }
  void lock(xen::LockState& lock) override {
    do point();
    while (lock.word.load() != 0);
    lock.word = 1;
  }
  void unlock(xen::LockState& lock) override {
    lock.word = 0;
    point();
  }
  void kick(VcpuRef) override { point(); }

  Fiber* current = nullptr;
};

TEST_CASE("replay: calls that were cut into each other go in the recorded order") {
  struct Vcpu {
    Recording* recording;
    uint64_t port;
    Fiber fiber;
  };
  TempFolder folder;
  FiberPlatform platform;
  Recording recording(folder / "a", platform);
  std::array<Vcpu, 2> vcpus{Vcpu{&recording, 3, Fiber{}}, Vcpu{&recording, 9, Fiber{}}};
  for (Vcpu& one : vcpus) {
    one.fiber.start(
        [](void* argument) {
          Vcpu& self = *static_cast<Vcpu*>(argument);
          for (int i = 0; i < 40; i++) send(*self.recording, self.port);
        },
        &one);
  }
  uint64_t time = 0;
  Prng chance(1);
  while (!vcpus[0].fiber.done() || !vcpus[1].fiber.done()) {
    size_t who = chance.below(2);
    if (vcpus[who].fiber.done()) who = 1 - who;
    recording.context = {static_cast<ActorId>(1 + who), VirtualNs{time++}};
    platform.current = &vcpus[who].fiber;
    platform.current->resume();
  }
  recording.finish();
  const Result<ReplayOutcome> outcome = replay(folder / "a");
  REQUIRE(outcome.has_value());
  if (outcome->divergence) FAIL(describe_divergence(*outcome->divergence));
  CHECK(outcome->verified == 4 - 1 + 80 * 7);
  auto reader = TraceReader::open(folder / "a");
  CHECK(check_trace(**reader).problems.empty());
}

TEST_CASE("replay: a trace that was cut leaves entries in flight, and they are unwound") {
  TempFolder folder;
  PlainPlatform plain;
  {
    Recording recording(folder / "a", plain);
    recording.context.actor = 1;
    recording.events.write(traces::HypercallBegin{vcpu(1, 0), true, 0, true, 0, {3, 0, 0, 0, 0, 0}});
    recording.events.write(traces::Lock{xen::Site::kChannelLock, DomId{1}, 5});
    recording.context.actor = 2;
    recording.events.write(traces::HypercallBegin{vcpu(1, 1), true, 0, true, 0, {3, 0, 0, 0, 0, 0}});
    recording.finish();
  }
  const Result<ReplayOutcome> outcome = replay(folder / "a");
  REQUIRE(outcome.has_value());
  CHECK_FALSE(outcome->divergence.has_value());
  CHECK(outcome->in_flight == 2);
  CHECK(outcome->verified == 6);
}

TEST_CASE("replay: a failed check of the core fails again") {
  TempFolder folder;
  const std::string path = record(folder, [](Recording& r) {
    r.context.actor = 1;
    CHECK_THROWS_AS(send(r, 666), CheckFailure);
  });
  const Result<ReplayOutcome> outcome = replay(path);
  REQUIRE(outcome.has_value());
  REQUIRE(outcome->check_failure.has_value());
  CHECK(outcome->check_failure->find("port != 666") != std::string::npos);
}

// What replay says of a trace that no recorder wrote.
template <class Write>
std::string refusal(Write write) {
  TempFolder folder;
  PlainPlatform plain;
  Recording recording(folder / "a", plain);
  recording.context.actor = 1;
  write(recording.events);
  recording.finish();
  const Result<ReplayOutcome> outcome = replay(folder / "a");
  if (!outcome) return outcome.error().message;
  return outcome->divergence ? describe_divergence(*outcome->divergence) : "";
}

TEST_CASE("replay: what no recorder writes is refused") {
  CHECK(refusal([](EventWriter& e) {
          e.write(traces::HaltBegin{vcpu(1, 2), true});
        }).find("names d1v2") != std::string::npos);
  CHECK(refusal([](EventWriter& e) {
          e.write(traces::HaltBegin{vcpu(2, 0), true});
        }).find("names d2v0") != std::string::npos);
  CHECK(refusal([](EventWriter& e) {
          e.write(traces::ExternalEventBegin{DomId{4}, Port{1}});
        }).find("names d4") != std::string::npos);
  CHECK(refusal([](EventWriter& e) { e.write(traces::Kick{vcpu(1, 0)}); }).find("not in the core") !=
        std::string::npos);
  TempFolder folder;
  PlainPlatform plain;
  Recording nested(folder / "a", plain);
  for (const ActorId actor : {ActorId{1}, ActorId{2}, ActorId{1}}) {
    nested.context.actor = actor;
    nested.events.write(traces::HaltBegin{vcpu(1, 0), true});
  }
  nested.finish();
  CHECK(replay(folder / "a").error().message.find("still in the core") != std::string::npos);
  const std::array<std::byte, 5> cut{};
  CHECK(refusal([&](EventWriter& e) {
          e.write(traces::CreateDomainBegin{DomId{2}, 1, 0, 0, 0, 0, false, cut});
        }).find("list of RAM") != std::string::npos);
  CHECK(refusal([](EventWriter& e) {
          e.write(traces::HypercallBegin{vcpu(1, 0), true, 0, true, 0, {3, 0, 0, 0, 0, 0}});
          e.write(traces::HypercallEnd{0});
        }).find("lock channel_lock") != std::string::npos);
}

}  // namespace
}  // namespace xensim::sim
