// One function on the PCI bus: its configuration space, 256 bytes (PCI Local Bus 3.0, chapter 6).
#pragma once

#include <array>
#include <cstdint>

#include "models/pc/device/device.h"

namespace xensim::pc {

class PciFunction : public SavedDevice {
 public:
  struct Identity {
    uint16_t vendor = 0, device = 0;
    uint32_t class_and_revision = 0;  // as the dword at 8
    uint8_t header_type = 0;          // bit 7: there are more functions
  };
  explicit PciFunction(const Identity& identity);

  // `offset + bytes` is at most 256.
  uint32_t read(uint8_t offset, unsigned bytes) const;
  void write(uint8_t offset, unsigned bytes, uint32_t value);

  // Makes bits of the space what the firmware would have set, whether a guest may write them or not.
  void set(uint8_t offset, unsigned bytes, uint32_t value);
  // Bits that a guest may write.
  void allow(uint8_t offset, unsigned bytes, uint32_t mask);

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  // Fixed.
  std::array<uint8_t, 256> writable_{};
  // Volatile.
  std::array<uint8_t, 256> space_{};
};

}  // namespace xensim::pc
