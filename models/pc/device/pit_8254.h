// The 8254 interval timer of a PC (Intel 8254 data sheet), and port 0x61, which gates and shows channel 2.
//
// Counting is derived from the virtual time: nothing runs between accesses but channel 0's interrupt, in modes 0, 2 and
// 3. Channel 1 holds what is written. BCD counts as binary.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "models/pc/device/device.h"

namespace xensim::pc {

inline constexpr uint64_t kPitHz = 1'193'182;
inline constexpr unsigned kPitIrq = 0;

class Pit8254 final : public PortDevice, public SavedDevice {
 public:
  // `timer` is its number at `timers`.
  Pit8254(const Clock& clock, DeviceTimers& timers, InterruptLines& lines, uint32_t timer);

  void timer_expired();

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  struct Channel {
    uint64_t loaded_at = 0;  // virtual time of the last load of the counter (or of the gate's edge)
    uint32_t reload = 0;     // 1 to 0x10000; 0: never loaded
    uint16_t latch = 0;
    uint8_t latched_status = 0;
    uint8_t access = 3;   // 1 low byte, 2 high byte, 3 both
    uint8_t mode = 0;     // 0 to 5
    uint8_t partial = 0;  // the low byte of a load in two parts
    uint8_t second_write = 0, second_read = 0;
    uint8_t has_latch = 0, has_status = 0;
    uint8_t gate = 1;
    uint8_t unused = 0;  // no padding: states are compared as bytes
  };
  struct State {
    std::array<Channel, 3> channels{};
    uint64_t speaker = 0;  // bits 1:0 of port 0x61
  };

  uint64_t ticks_since_load(const Channel& channel) const;
  uint16_t count(const Channel& channel) const;
  bool output(const Channel& channel) const;
  void load(unsigned index, uint32_t value);
  void arm();
  void write_control(uint8_t value);
  void write_counter(unsigned index, uint8_t value);
  uint8_t read_counter(Channel& channel);
  void latch_count(Channel& channel);
  void write_speaker(uint8_t value);
  std::string_view wrong_field(const Channel& channel) const;  // empty: none

  // Fixed.
  const uint32_t timer_;
  // Glue.
  const Clock& clock_;
  DeviceTimers& timers_;
  InterruptLines& lines_;
  // Volatile.
  State state_;
};

}  // namespace xensim::pc
