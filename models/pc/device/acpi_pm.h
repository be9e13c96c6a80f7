// The fixed hardware of ACPI (ACPI 6.4, 4.8): PM1a event and control blocks and the PM timer. The machine is always in
// ACPI mode. No event is ever raised (there are no buttons), so status reads as zero. Going to sleep in S5 powers off.
#pragma once

#include <cstdint>

#include "models/pc/device/device.h"

namespace xensim::pc {

inline constexpr uint64_t kPmTimerHz = 3'579'545;

// How a guest ends its machine by hardware.
class PowerClient {
 public:
  virtual ~PowerClient() = default;
  virtual void power_off() = 0;
  virtual void reset() = 0;
};

class AcpiPm final : public PortDevice, public SavedDevice {
 public:
  AcpiPm(const Clock& clock, PowerClient& power) : clock_(clock), power_(power) {}

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  struct State {
    uint16_t enable = 0;
    uint16_t control = 1;  // SCI_EN
  };

  // Glue.
  const Clock& clock_;
  PowerClient& power_;
  // Volatile.
  State state_;
};

}  // namespace xensim::pc
