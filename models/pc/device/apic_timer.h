// The local APIC's timer: one-shot, periodic and TSC-deadline (SDM vol. 3, 11.5.4). Counts are computed from the
// virtual time when they are asked for; nothing runs in between.
#pragma once

#include <string_view>

#include "models/pc/device/device.h"

namespace xensim::pc {

enum class ApicTimerMode : uint32_t { kOneShot = 0, kPeriodic = 1, kTscDeadline = 2, kReserved = 3 };

class ApicTimer : public SavedDevice {
 public:
  // `timer` is the number it has at `timers`. bus_hz is the count's rate under divide by 1; both rates at most 2^40.
  ApicTimer(uint32_t timer, uint64_t bus_hz, uint64_t tsc_hz, const Clock& clock, DeviceTimers& timers);

  void reset();

  // Between one-shot and periodic a running count goes on to its end, and what it does there is the new mode's; a count
  // that has come to its end stays at 0. To and from TSC-deadline mode the timer is disarmed, initial count and
  // deadline are 0. (SDM 11.5.4.1 has it disarmed at every change: hypervisors do not.)
  void set_mode(ApicTimerMode mode);
  ApicTimerMode mode() const { return static_cast<ApicTimerMode>(state_.mode); }

  // Divide configuration register: bits 0, 1 and 3. A running count keeps its value and goes on at the new rate.
  void set_divide(uint32_t value);
  uint32_t divide() const { return state_.divide_config; }

  // Writing starts the count; 0 stops it. Without effect in TSC-deadline mode.
  void set_initial_count(uint32_t count);
  uint32_t initial_count() const { return state_.initial_count; }
  uint32_t current_count() const;

  // MSR IA32_TSC_DEADLINE. Out of TSC-deadline mode it reads 0 and ignores writes. 0 disarms; a time that has passed is
  // due now.
  void set_deadline(uint64_t tsc);
  uint64_t deadline() const { return state_.deadline_tsc; }

  // What the guest's TSC has above the virtual time's; an armed deadline moves with it.
  void set_tsc_offset(uint64_t offset);

  // The machine's call at a deadline. True where the timer fires now; a periodic one goes on, and periods that were
  // missed altogether are one interrupt. False where nothing is due (an armed timer asks again for its time).
  bool expired();

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  struct State {
    uint64_t start_tick = 0;  // undivided bus ticks, when the count was start_count
    uint64_t deadline_tsc = 0;
    uint64_t tsc_offset = 0;
    uint32_t start_count = 0;  // 0: stopped
    uint32_t initial_count = 0;
    uint32_t divide_config = 0;
    uint32_t mode = 0;
  };

  uint64_t now_ticks() const;
  uint64_t divisor() const;
  uint64_t tsc() const;
  bool counting() const { return state_.start_count != 0; }
  void arm();
  bool deadline_expired();
  std::string_view wrong_field(const State& state) const;  // empty: none

  // Fixed.
  const uint32_t timer_;
  const uint64_t bus_hz_;
  const uint64_t tsc_hz_;
  // Glue.
  const Clock& clock_;
  DeviceTimers& timers_;
  // Volatile.
  State state_;
};

}  // namespace xensim::pc
