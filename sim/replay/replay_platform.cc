#include "sim/replay/replay_platform.h"

#include <algorithm>
#include <cstring>

#include "models/base/check.h"
#include "traces/codec.h"
#include "traces/describe.h"
#include "traces/diff.h"

namespace xensim::sim {

using traces::ByteView;
using traces::Event;
using traces::EventClass;

namespace {

constexpr uint32_t kWriter = UINT32_MAX;

bool same_bytes(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

// Empties the views of an event whose buffer goes away.
struct DropViews {
  template <class Codec, class T>
  void operator()(Codec /*codec*/, const char* /*name*/, T& value) {
    if constexpr (std::is_same_v<T, ByteView>) value = {};
  }
};

}  // namespace

ReplayPlatform::ReplayPlatform(traces::TraceReader& reader, ReplayOutcome& outcome)
    : reader_(reader), outcome_(outcome) {
  advance();
}

void ReplayPlatform::advance() {
  while ((next_ = reader_.next()) != nullptr && traces::kind_info(next_->kind).event_class == EventClass::kMachine) {
    outcome_.skipped++;
  }
}

void ReplayPlatform::consume() {
  remembered_[outcome_.verified % kRemembered] = *next_;
  outcome_.verified++;
  advance();
}

void ReplayPlatform::run(ActorId actor, Fiber& fiber) {
  current_ = actor;
  fiber_ = &fiber;
  fiber.resume();
  fiber_ = nullptr;
}

const Event* ReplayPlatform::wait() {
  XS_CHECK_MSG(fiber_ != nullptr, "the core called the Platform while nobody was inside it");
  while (true) {
    if (stopped_) throw ReplayStopped{};
    if (next_ != nullptr && next_->actor == current_) return next_;
    fiber_->yield();  // run() makes this actor the current one again
  }
}

void ReplayPlatform::record_divergence(const traces::EventBody& got) {
  stopped_ = true;
  const std::vector<ActorInfo>& actors = reader_.info().actors;
  Event done = *next_;
  done.body = got;
  std::visit(
      [&done](const auto& body) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(body)>, std::monostate>) done.kind = body.kKind;
      },
      got);
  Divergence divergence;
  divergence.index = next_->index;
  divergence.actor = traces::describe_actor(actors[next_->actor]);
  divergence.time = next_->time;
  divergence.expected = describe_event(*next_);
  divergence.got = describe_event(done);
  divergence.difference = event_difference(*next_, done, actors).value_or("what cannot be shown");
  const uint64_t count = std::min<uint64_t>(outcome_.verified, kRemembered);
  for (uint64_t i = outcome_.verified - count; i < outcome_.verified; i++) {
    Event& event = remembered_[i % kRemembered];
    std::visit(
        [](auto& body) {
          DropViews drop;
          if constexpr (!std::is_same_v<std::decay_t<decltype(body)>, std::monostate>) visit_fields(body, drop);
        },
        event.body);
    divergence.before.push_back(describe_event_line(event, actors));
  }
  outcome_.divergence = std::move(divergence);
}

void ReplayPlatform::diverge(const traces::EventBody& got) {
  record_divergence(got);
  throw ReplayStopped{};
}

uint64_t ReplayPlatform::load(xen::Site site, Maddr at, unsigned bytes) {
  const traces::Load got{site, at, static_cast<uint8_t>(bytes), 0};
  const traces::Load& event = expect(got);
  check(event.site == site && event.at == at && event.bytes == bytes, got);
  const uint64_t value = event.value;
  consume();
  return value;
}

void ReplayPlatform::store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) {
  const traces::Store got{site, at, static_cast<uint8_t>(bytes), value};
  const traces::Store& event = expect(got);
  check(event.site == site && event.at == at && event.bytes == bytes && event.value == value, got);
  consume();
}

uint64_t ReplayPlatform::rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand,
                             uint64_t expected) {
  traces::Rmw got{site, at, static_cast<uint8_t>(bytes), op, operand, expected, 0};
  const traces::Rmw& event = expect(got);
  const uint64_t old = got.old = event.old;
  check(event.site == site && event.at == at && event.bytes == bytes && event.op == op && event.operand == operand &&
            event.expected == expected,
        got);
  consume();
  return old;
}

void ReplayPlatform::read(xen::Site site, Maddr from, std::span<std::byte> to) {
  const traces::Read got{site, from, to};
  const traces::Read& event = expect(got);
  check(event.site == site && event.from == from && event.data.size() == to.size(), got);
  if (!to.empty()) std::memcpy(to.data(), event.data.data(), to.size());
  consume();
}

void ReplayPlatform::write(xen::Site site, Maddr to, std::span<const std::byte> from) {
  const traces::Write got{site, to, from};
  const traces::Write& event = expect(got);
  check(event.site == site && event.to == to && same_bytes(event.data, from), got);
  consume();
}

void ReplayPlatform::copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) {
  const traces::Copy got{site, to, from, bytes};
  const traces::Copy& event = expect(got);
  check(event.site == site && event.to == to && event.from == from && event.bytes == bytes, got);
  consume();
}

Maybe<Gpa> ReplayPlatform::translate(VcpuRef vcpu, Gva gva, Access access) {
  const traces::Translate got{vcpu, gva, access, false, Gpa{}};
  const traces::Translate& event = expect(got);
  check(event.vcpu == vcpu && event.gva == gva && event.access == access, got);
  const Maybe<Gpa> gpa = event.mapped ? Maybe(event.gpa) : std::nullopt;
  consume();
  return gpa;
}

Mfn ReplayPlatform::allocate_page(DomId owner) {
  const traces::AllocatePage got{owner, Mfn{}};
  const traces::AllocatePage& event = expect(got);
  check(event.owner == owner, got);
  const Mfn frame = event.frame;
  consume();
  return frame;
}

void ReplayPlatform::set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) {
  const traces::SetMapping got{dom, gfn, frame.has_value(), frame.value_or(Mfn{}), writable};
  const traces::SetMapping& event = expect(got);
  check(event.dom == dom && event.gfn == gfn && event.mapped == got.mapped && event.frame == got.frame &&
            event.writable == writable,
        got);
  consume();
}

VirtualNs ReplayPlatform::now() {
  const VirtualNs time = expect(traces::Now{}).time;
  consume();
  return time;
}

xen::ClockSample ReplayPlatform::clock(DomId dom) {
  const traces::Clock got{dom, 0, {}, 0, 0};
  const traces::Clock& event = expect(got);
  check(event.dom == dom, got);
  const xen::ClockSample sample{event.tsc, event.system_time, event.tsc_to_system_mul, event.tsc_shift};
  consume();
  return sample;
}

std::pair<uint64_t, uint32_t> ReplayPlatform::wallclock_base() {
  const traces::WallclockBase& event = expect(traces::WallclockBase{});
  const std::pair<uint64_t, uint32_t> base(event.seconds, event.nanoseconds);
  consume();
  return base;
}

void ReplayPlatform::arm_timer(xen::TimerId id, VirtualNs deadline) {
  const traces::ArmTimer got{id.kind, id.vcpu, deadline};
  const traces::ArmTimer& event = expect(got);
  check(event.timer == id.kind && event.vcpu == id.vcpu && event.deadline == deadline, got);
  consume();
}

void ReplayPlatform::cancel_timer(xen::TimerId id) {
  const traces::CancelTimer got{id.kind, id.vcpu};
  const traces::CancelTimer& event = expect(got);
  check(event.timer == id.kind && event.vcpu == id.vcpu, got);
  consume();
}

void ReplayPlatform::kick(VcpuRef vcpu) {
  const traces::Kick got{vcpu};
  check(expect(got).vcpu == vcpu, got);
  consume();
}

void ReplayPlatform::set_runnable(VcpuRef vcpu, bool runnable) {
  const traces::SetRunnable got{vcpu, runnable};
  const traces::SetRunnable& event = expect(got);
  check(event.vcpu == vcpu && event.runnable == runnable, got);
  consume();
}

void ReplayPlatform::yield(VcpuRef vcpu) {
  const traces::Yield got{vcpu};
  check(expect(got).vcpu == vcpu, got);
  consume();
}

void ReplayPlatform::start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) {
  const traces::StartVcpu got{vcpu, start.context};
  const traces::StartVcpu& event = expect(got);
  check(event.vcpu == vcpu && same_bytes(event.context, start.context), got);
  consume();
}

void ReplayPlatform::inject_nmi(VcpuRef vcpu) {
  const traces::InjectNmi got{vcpu};
  check(expect(got).vcpu == vcpu, got);
  consume();
}

void ReplayPlatform::assert_lapic_vector(VcpuRef vcpu, uint8_t vector) {
  const traces::AssertLapicVector got{vcpu, vector};
  const traces::AssertLapicVector& event = expect(got);
  check(event.vcpu == vcpu && event.vector == vector, got);
  consume();
}

bool ReplayPlatform::lapic_enabled(VcpuRef vcpu) {
  const traces::AskLapicEnabled got{vcpu, false};
  const traces::AskLapicEnabled& event = expect(got);
  check(event.vcpu == vcpu, got);
  const bool enabled = event.enabled;
  consume();
  return enabled;
}

void ReplayPlatform::set_gsi(DomId dom, uint32_t gsi, bool level) {
  const traces::SetGsi got{dom, gsi, level};
  const traces::SetGsi& event = expect(got);
  check(event.dom == dom && event.gsi == gsi && event.level == level, got);
  consume();
}

void ReplayPlatform::host_event(DomId host, Port port) {
  const traces::HostEvent got{host, port};
  const traces::HostEvent& event = expect(got);
  check(event.host == host && event.port == port, got);
  consume();
}

void ReplayPlatform::release_domain(DomId dom) {
  const traces::ReleaseDomain got{dom};
  check(expect(got).dom == dom, got);
  consume();
}

void ReplayPlatform::outside_event(DomId dom, Port port) {
  const traces::OutsideEvent got{dom, port};
  const traces::OutsideEvent& event = expect(got);
  check(event.dom == dom && event.port == port, got);
  consume();
}

void ReplayPlatform::shutdown(DomId dom, xen::ShutdownReason reason) {
  const traces::Shutdown got{dom, reason};
  const traces::Shutdown& event = expect(got);
  check(event.dom == dom && event.reason == reason, got);
  consume();
}

void ReplayPlatform::console_write(DomId dom, xen::ConsoleChannel channel, std::span<const std::byte> text) {
  const traces::ConsoleWrite got{dom, channel, text};
  const traces::ConsoleWrite& event = expect(got);
  check(event.dom == dom && event.channel == channel && same_bytes(event.text, text), got);
  consume();
}

// A lock's word: 0, the number of readers, or kWriter. One that a trace takes while it is held comes from no recorder;
// to go on would break the core's own invariants, so it counts as a divergence.

void ReplayPlatform::lock(xen::LockState& lock) {
  const traces::Lock got{lock.site, lock.dom, lock.index};
  const traces::Lock& event = expect(got);
  const bool free = lock.word.load(std::memory_order_relaxed) == 0;
  check(free && event.site == lock.site && event.dom == lock.dom && event.index == lock.index, got);
  lock.word.store(kWriter, std::memory_order_relaxed);
  consume();
}

void ReplayPlatform::lock_shared(xen::LockState& lock) {
  const traces::LockShared got{lock.site, lock.dom, lock.index};
  const traces::LockShared& event = expect(got);
  const uint32_t readers = lock.word.load(std::memory_order_relaxed);
  check(readers != kWriter && event.site == lock.site && event.dom == lock.dom && event.index == lock.index, got);
  lock.word.store(readers + 1, std::memory_order_relaxed);
  consume();
}

// Destructors call this: nothing may be thrown from here, and during an exception nothing may wait.
template <class Body>
void ReplayPlatform::release(const xen::LockState& lock) {
  while (!stopped_ && std::uncaught_exceptions() == 0) {
    if (next_ == nullptr || next_->actor != current_) {
      fiber_->yield();
      continue;
    }
    const auto* event = std::get_if<Body>(&next_->body);
    if (event != nullptr && event->site == lock.site && event->dom == lock.dom && event->index == lock.index) {
      consume();
    } else {
      record_divergence(Body{lock.site, lock.dom, lock.index});
    }
    return;
  }
}

void ReplayPlatform::unlock(xen::LockState& lock) {
  release<traces::Unlock>(lock);
  lock.word.store(0, std::memory_order_relaxed);
}

void ReplayPlatform::unlock_shared(xen::LockState& lock) {
  release<traces::UnlockShared>(lock);
  lock.word.fetch_sub(1, std::memory_order_relaxed);
}

void ReplayPlatform::shared_access(xen::Site site, DomId dom, uint32_t index, xen::SharedOp op) {
  const traces::SharedAccess got{site, dom, index, op};
  const traces::SharedAccess& event = expect(got);
  check(event.site == site && event.dom == dom && event.index == index && event.op == op, got);
  consume();
}

}  // namespace xensim::sim
