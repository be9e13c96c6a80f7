// What is left of the keyboard controller: no keyboard and no mouse answer, but its pulse of the reset line works.
#pragma once

#include "models/pc/device/acpi_pm.h"
#include "models/pc/device/device.h"

namespace xensim::pc {

class I8042 final : public PortDevice {
 public:
  explicit I8042(PowerClient& power) : power_(power) {}

  std::vector<PortRange> ports() const override { return {{0x60, 1, 1}, {0x64, 1, 1}}; }
  // Status and data: nothing waits.
  uint32_t port_in(uint16_t, unsigned) override { return 0; }
  void port_out(uint16_t port, unsigned, uint32_t value) override {
    constexpr uint32_t kPulseReset = 0xfe;
    if (port == 0x64 && value == kPulseReset) power_.reset();
  }

 private:
  // Glue.
  PowerClient& power_;
};

}  // namespace xensim::pc
