// The MC146818 clock with its 128 bytes of CMOS memory, at ports 0x70 and 0x71. The time is the machine's wall clock
// plus the virtual time, UTC; setting it changes nothing. Its alarm and periodic interrupts are not modelled: their
// enable bits hold what is written.
#pragma once

#include <array>
#include <cstdint>

#include "models/pc/device/device.h"

namespace xensim::pc {

class RtcCmos final : public PortDevice, public SavedDevice {
 public:
  // `epoch_s`: seconds since 1970 at virtual time 0.
  RtcCmos(const Clock& clock, uint64_t epoch_s);

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  struct State {
    std::array<uint8_t, 128> memory{};
    uint8_t index = 0;
  };
  uint8_t read(uint8_t index) const;
  uint8_t coded(uint64_t value) const;

  // Fixed.
  const uint64_t epoch_s_;
  // Glue.
  const Clock& clock_;
  // Volatile.
  State state_;
};

}  // namespace xensim::pc
