// The IO-APIC (Intel 82093AA data sheet) at 0xfec00000, its pins from GSI 0 on: as Xen's HVM guests have it, 48 of
// them, or as QEMU's do, 24 and a register for the end of an interrupt.
//
// Lowest-priority delivery and logical destinations are the bus's to decide. A level-triggered pin delivers once, and
// again when its interrupt is over (EOI of its vector at a local APIC) while the line is still up.
#pragma once

#include <array>
#include <cstdint>

#include "models/pc/device/apic_bus.h"
#include "models/pc/device/device.h"

namespace xensim::pc {

struct IoApicModel {
  unsigned pins = 48;  // at most IoApic::kMostPins
  uint8_t version = 0x11;
};
inline constexpr IoApicModel kXenIoApic{};
inline constexpr IoApicModel kQemuIoApic{.pins = 24, .version = 0x20};

class IoApic final : public MmioDevice, public InterruptLines, public SavedDevice {
 public:
  static constexpr unsigned kMostPins = 48;

  // `id`: what the guest's firmware has written there.
  IoApic(ApicBus& bus, const IoApicModel& model, uint8_t id);

  // The line of a pin; pins beyond the last are not connected.
  void set_irq(unsigned pin, bool level) override;
  // A local APIC has ended an interrupt of this vector.
  void end_of_interrupt(uint8_t vector);

  MmioRange mmio() const override;
  uint64_t mmio_read(uint64_t offset, unsigned bytes) override;
  void mmio_write(uint64_t offset, unsigned bytes, uint64_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  struct State {
    std::array<uint64_t, kMostPins> entries{};
    uint64_t lines = 0;  // a bit a pin
    uint32_t select = 0;
    uint32_t id = 0;
  };
  uint32_t read_register() const;
  void write_register(uint32_t value);
  void deliver(unsigned pin);

  // Glue.
  ApicBus& bus_;
  const IoApicModel model_;
  // Volatile.
  State state_;
};

}  // namespace xensim::pc
