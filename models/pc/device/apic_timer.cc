// Counts and deadlines, computed from the virtual time.
#include "models/pc/device/apic_timer.h"

#include <fmt/format.h>

#include <limits>

#include "models/base/check.h"
#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint64_t kNsPerSecond = 1'000'000'000;
constexpr uint64_t kMaxHz = uint64_t{1} << 40;

uint64_t saturate(Wide value) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  return value > kMax ? kMax : static_cast<uint64_t>(value);
}

// Whole ticks of a clock of `hz` that have passed at `now`, and the first time at which `ticks` have: each the other's
// inverse.
Wide ticks_at(VirtualNs now, uint64_t hz) { return Wide{now.v} * hz / kNsPerSecond; }
VirtualNs time_of(Wide ticks, uint64_t hz) {
  if (ticks > (~Wide{0} - hz) / kNsPerSecond) return VirtualNs{std::numeric_limits<uint64_t>::max()};
  return VirtualNs{saturate((ticks * kNsPerSecond + hz - 1) / hz)};
}

}  // namespace

ApicTimer::ApicTimer(uint32_t timer, uint64_t bus_hz, uint64_t tsc_hz, const Clock& clock, DeviceTimers& timers)
    : timer_(timer), bus_hz_(bus_hz), tsc_hz_(tsc_hz), clock_(clock), timers_(timers) {
  XS_CHECK(bus_hz > 0 && bus_hz <= kMaxHz && tsc_hz > 0 && tsc_hz <= kMaxHz);
}

void ApicTimer::reset() {
  const uint64_t tsc_offset = state_.tsc_offset;  // the TSC is not part of the APIC
  timers_.cancel(timer_);
  state_ = State{};
  state_.tsc_offset = tsc_offset;
}

uint64_t ApicTimer::now_ticks() const { return saturate(ticks_at(clock_.now(), bus_hz_)); }

uint64_t ApicTimer::tsc() const { return static_cast<uint64_t>(ticks_at(clock_.now(), tsc_hz_)) + state_.tsc_offset; }

uint64_t ApicTimer::divisor() const {
  // 000 divides by 2, 001 by 4, ... 110 by 128, 111 by 1 (SDM figure 11-10).
  const uint32_t code = (state_.divide_config & 3) | ((state_.divide_config & 8) >> 1);
  return uint64_t{1} << ((code + 1) & 7);
}

void ApicTimer::set_mode(ApicTimerMode mode) {
  const auto counts = [](ApicTimerMode m) { return m == ApicTimerMode::kOneShot || m == ApicTimerMode::kPeriodic; };
  const ApicTimerMode old = this->mode();
  if (mode == old) return;
  state_.mode = static_cast<uint32_t>(mode);
  if (counts(old) && counts(mode)) return;
  timers_.cancel(timer_);
  state_.start_count = 0;
  state_.initial_count = 0;
  state_.deadline_tsc = 0;
}

void ApicTimer::set_divide(uint32_t value) {
  const uint32_t count = current_count();
  state_.divide_config = value & 0xb;
  if (!counting()) return;
  // A count that has reached 0, its expiry not served yet, stays due.
  state_.start_tick = now_ticks() - (count == 0 ? divisor() : 0);
  state_.start_count = count == 0 ? 1 : count;
  arm();
}

void ApicTimer::set_initial_count(uint32_t count) {
  if (mode() == ApicTimerMode::kTscDeadline || mode() == ApicTimerMode::kReserved) return;
  state_.initial_count = count;
  state_.start_count = count;
  state_.start_tick = now_ticks();
  if (counting()) {
    arm();
  } else {
    timers_.cancel(timer_);
  }
}

uint32_t ApicTimer::current_count() const {
  if (!counting()) return 0;
  const uint64_t elapsed = (now_ticks() - state_.start_tick) / divisor();
  if (elapsed < state_.start_count) return static_cast<uint32_t>(state_.start_count - elapsed);
  if (mode() != ApicTimerMode::kPeriodic) return 0;
  return static_cast<uint32_t>(state_.initial_count - (elapsed - state_.start_count) % state_.initial_count);
}

void ApicTimer::arm() {
  timers_.arm(timer_, time_of(Wide{state_.start_tick} + Wide{state_.start_count} * divisor(), bus_hz_));
}

void ApicTimer::set_deadline(uint64_t deadline) {
  if (mode() != ApicTimerMode::kTscDeadline) return;
  state_.deadline_tsc = deadline;
  if (deadline == 0) {
    timers_.cancel(timer_);
    return;
  }
  const VirtualNs now = clock_.now();
  if (deadline <= tsc()) {
    timers_.arm(timer_, now);
  } else {
    timers_.arm(timer_, time_of(ticks_at(now, tsc_hz_) + (deadline - tsc()), tsc_hz_));
  }
}

void ApicTimer::set_tsc_offset(uint64_t offset) {
  state_.tsc_offset = offset;
  if (state_.deadline_tsc != 0) set_deadline(state_.deadline_tsc);
}

bool ApicTimer::deadline_expired() {
  if (state_.deadline_tsc == 0) return false;
  if (tsc() < state_.deadline_tsc) {
    set_deadline(state_.deadline_tsc);
    return false;
  }
  state_.deadline_tsc = 0;
  return true;
}

bool ApicTimer::expired() {
  if (mode() == ApicTimerMode::kTscDeadline) return deadline_expired();
  if (!counting()) return false;
  const uint64_t end = state_.start_tick + state_.start_count * divisor();
  const uint64_t now = now_ticks();
  if (now < end) {
    arm();
    return false;
  }
  if (mode() == ApicTimerMode::kPeriodic) {
    const uint64_t period = state_.initial_count * divisor();
    state_.start_tick = end + (now - end) / period * period;
    state_.start_count = state_.initial_count;
    arm();
  } else {
    state_.start_count = 0;
  }
  return true;
}

void ApicTimer::save(std::vector<std::byte>& out) const { save_state(out, state_); }

// What no guest can bring about. A periodic count divides by its initial value.
std::string_view ApicTimer::wrong_field(const State& state) const {
  if (state.mode > static_cast<uint32_t>(ApicTimerMode::kReserved)) return "mode";
  if (state.divide_config & ~0xbu) return "divide_config";
  if (state.start_count > state.initial_count) return "start_count";
  // set_divide() may have put the start before time 0, which is a number from the upper end.
  const auto elapsed = static_cast<int64_t>(now_ticks() - state.start_tick);
  return state.start_count != 0 && elapsed < 0 ? "start_tick" : "";
}

Status ApicTimer::restore(std::span<const std::byte>& in) {
  std::span<const std::byte> rest = in;
  State state;
  XS_TRY_STATUS(restore_state(rest, state));
  if (const std::string_view field = wrong_field(state); !field.empty()) {
    return input_error(fmt::format("saved APIC timer: {} cannot be", field));
  }
  state_ = state;
  in = rest;
  return {};
}

}  // namespace xensim::pc
