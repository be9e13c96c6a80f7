// See pit_8254.h.
#include "models/pc/device/pit_8254.h"

#include <fmt/format.h>

#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;
constexpr uint16_t kControlPort = 0x43, kSpeakerPort = 0x61;
constexpr uint8_t kSpeakerOutput = 0x20, kRefresh = 0x10;

uint64_t to_ticks(uint64_t ns) { return ns / kNsPerSecond * kPitHz + ns % kNsPerSecond * kPitHz / kNsPerSecond; }
// The first nanosecond at which so many ticks are over.
uint64_t to_ns(uint64_t ticks) {
  return ticks / kPitHz * kNsPerSecond + (ticks % kPitHz * kNsPerSecond + kPitHz - 1) / kPitHz;
}

}  // namespace

Pit8254::Pit8254(const Clock& clock, DeviceTimers& timers, InterruptLines& lines, uint32_t timer)
    : timer_(timer), clock_(clock), timers_(timers), lines_(lines) {
  state_.channels[2].gate = 0;
}

std::vector<PortRange> Pit8254::ports() const { return {{0x40, 4, 1}, {kSpeakerPort, 1, 1}}; }

uint64_t Pit8254::ticks_since_load(const Channel& channel) const {
  return to_ticks(clock_.now().v - channel.loaded_at);
}

uint16_t Pit8254::count(const Channel& channel) const {
  if (channel.reload == 0 || channel.gate == 0) return static_cast<uint16_t>(channel.reload);
  const uint64_t ticks = ticks_since_load(channel);
  switch (channel.mode) {
    case 2: return static_cast<uint16_t>(channel.reload - ticks % channel.reload);
    case 3: return static_cast<uint16_t>(channel.reload - 2 * ticks % channel.reload);  // counts by twos
    default: return static_cast<uint16_t>(channel.reload - ticks);                      // goes on below zero
  }
}

bool Pit8254::output(const Channel& channel) const {
  if (channel.reload == 0) return channel.mode != 0;
  const uint64_t ticks = ticks_since_load(channel);
  switch (channel.mode) {
    case 0:
    case 1: return channel.gate != 0 && ticks >= channel.reload;
    case 2: return ticks % channel.reload != channel.reload - 1;
    case 3: return ticks % channel.reload < (channel.reload + 1) / 2;
    default: return ticks != channel.reload;
  }
}

void Pit8254::load(unsigned index, uint32_t value) {
  Channel& channel = state_.channels[index];
  channel.reload = value == 0 ? 0x10000 : value;
  channel.loaded_at = clock_.now().v;
  if (index == 0) {
    if (channel.mode == 0) lines_.set_irq(kPitIrq, false);
    arm();
  }
}

// Channel 0: its output's next rise.
void Pit8254::arm() {
  const Channel& channel = state_.channels[0];
  if (channel.reload == 0 || (channel.mode != 0 && channel.mode != 2 && channel.mode != 3)) {
    timers_.cancel(timer_);
    return;
  }
  const uint64_t ticks = ticks_since_load(channel);
  if (channel.mode == 0 && ticks >= channel.reload) return;
  const uint64_t next = channel.mode == 0 ? channel.reload : (ticks / channel.reload + 1) * channel.reload;
  timers_.arm(timer_, VirtualNs{channel.loaded_at + to_ns(next)});
}

void Pit8254::timer_expired() {
  lines_.set_irq(kPitIrq, true);
  if (state_.channels[0].mode != 0) lines_.set_irq(kPitIrq, false);  // a pulse: the input is an edge
  arm();
}

void Pit8254::latch_count(Channel& channel) {
  if (channel.has_latch != 0) return;
  channel.latch = count(channel);
  channel.has_latch = 1;
}

void Pit8254::write_control(uint8_t value) {
  const unsigned select = value >> 6;
  if (select == 3) {  // read back: bits 3:1 name channels; bit 5 clear: count; bit 4 clear: status
    for (unsigned i = 0; i < 3; ++i) {
      if ((value >> (i + 1) & 1) == 0) continue;
      Channel& channel = state_.channels[i];
      if ((value & 0x20) == 0) latch_count(channel);
      if ((value & 0x10) != 0 || channel.has_status != 0) continue;
      channel.latched_status = static_cast<uint8_t>((output(channel) ? 0x80 : 0) | (channel.reload == 0 ? 0x40 : 0) |
                                                    channel.access << 4 | channel.mode << 1);
      channel.has_status = 1;
    }
    return;
  }
  Channel& channel = state_.channels[select];
  if ((value & 0x30) == 0) return latch_count(channel);
  channel.access = value >> 4 & 3;
  const auto mode = static_cast<uint8_t>(value >> 1 & 7);
  channel.mode = mode > 5 ? mode & 3 : mode;  // 6 and 7 are 2 and 3
  channel.reload = 0;
  channel.second_write = channel.second_read = channel.has_latch = channel.has_status = 0;
  if (select == 0) {
    lines_.set_irq(kPitIrq, false);
    arm();
  }
}

void Pit8254::write_counter(unsigned index, uint8_t value) {
  Channel& channel = state_.channels[index];
  if (channel.access == 1) return load(index, value);
  if (channel.access == 2) return load(index, uint32_t{value} << 8);
  if (channel.second_write == 0) {
    channel.partial = value;
    channel.second_write = 1;
    return;
  }
  channel.second_write = 0;
  load(index, channel.partial | uint32_t{value} << 8);
}

uint8_t Pit8254::read_counter(Channel& channel) {
  if (channel.has_status != 0) {
    channel.has_status = 0;
    return channel.latched_status;
  }
  const uint16_t value = channel.has_latch != 0 ? channel.latch : count(channel);
  const bool both = channel.access == 3;
  const bool high = both ? channel.second_read != 0 : channel.access == 2;
  if (both) channel.second_read ^= 1;
  if (!both || high) channel.has_latch = 0;
  return static_cast<uint8_t>(high ? value >> 8 : value);
}

// Bit 0 is channel 2's gate; its rise begins the count anew, but for mode 0, which it lets go on.
void Pit8254::write_speaker(uint8_t value) {
  Channel& channel = state_.channels[2];
  const auto gate = static_cast<uint8_t>(value & 1);
  if (gate != 0 && channel.gate == 0) channel.loaded_at = clock_.now().v;
  channel.gate = gate;
  state_.speaker = value & 3;
}

uint32_t Pit8254::port_in(uint16_t port, unsigned /*bytes*/) {
  if (port == kSpeakerPort) {
    const uint64_t refresh = clock_.now().v / 15'085 & 1;  // toggles with each refresh of memory
    return static_cast<uint32_t>(state_.speaker | (refresh != 0 ? kRefresh : 0) |
                                 (output(state_.channels[2]) ? kSpeakerOutput : 0));
  }
  return port == kControlPort ? 0xff : read_counter(state_.channels[port - 0x40u]);
}

void Pit8254::port_out(uint16_t port, unsigned /*bytes*/, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  if (port == kSpeakerPort) return write_speaker(byte);
  if (port == kControlPort) return write_control(byte);
  write_counter(port - 0x40u, byte);
}

void Pit8254::save(std::vector<std::byte>& out) const { save_state(out, state_); }

// What no guest can bring about: a count from a time to come would be due at once, for ever.
std::string_view Pit8254::wrong_field(const Channel& channel) const {
  if (channel.loaded_at > clock_.now().v) return "loaded_at";
  if (channel.reload > 0x10000) return "reload";
  if (channel.access < 1 || channel.access > 3) return "access";
  if (channel.mode > 5) return "mode";
  if (channel.second_write > 1 || channel.second_read > 1) return "second";
  if (channel.has_latch > 1 || channel.has_status > 1) return "has";
  return channel.gate > 1 ? "gate" : "";
}

Status Pit8254::restore(std::span<const std::byte>& in) {
  std::span<const std::byte> rest = in;
  State state;
  XS_TRY_STATUS(restore_state(rest, state));
  for (size_t i = 0; i < state.channels.size(); ++i) {
    const std::string_view field = wrong_field(state.channels[i]);
    if (!field.empty()) return input_error(fmt::format("saved PIT: channel {}'s {} cannot be", i, field));
  }
  if (state.speaker > 3) return input_error("saved PIT: speaker cannot be");
  state_ = state;
  in = rest;
  return {};
}

}  // namespace xensim::pc
