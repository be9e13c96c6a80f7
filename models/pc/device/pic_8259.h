// The pair of 8259A interrupt controllers of a PC, with its ELCR (Intel 8259A and 82371AB data sheets).
//
// Its output is wired to nothing: a guest with local APICs takes its interrupts from the IO-APIC, and programs the pair
// only to be silent. So what counts is that the registers hold what is written, and that probing finds the chips.
#pragma once

#include <array>
#include <cstdint>

#include "models/pc/device/device.h"

namespace xensim::pc {

class Pic8259 final : public PortDevice, public InterruptLines, public SavedDevice {
 public:
  // Lines 0 to 15; line 2 is the slave's.
  void set_irq(unsigned irq, bool level) override;

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  struct Chip {
    uint8_t request = 0, service = 0, mask = 0, lines = 0;
    uint8_t level = 0;      // ELCR
    uint8_t vector = 0;     // ICW2
    uint8_t init_step = 0;  // the next ICW that is awaited; 0: none
    uint8_t flags = 0;      // kReadService, kNeedsIcw4, kSingle
  };

  static uint8_t read_status(const Chip& chip);
  static void write_command(Chip& chip, uint8_t value);
  static void write_data(Chip& chip, uint8_t value);

  // Volatile.
  std::array<Chip, 2> chips_{};
};

}  // namespace xensim::pc
