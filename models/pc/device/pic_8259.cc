// See pic_8259.h.
#include "models/pc/device/pic_8259.h"

#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

constexpr uint8_t kReadService = 1, kNeedsIcw4 = 2, kSingle = 4;
constexpr uint8_t kIcw1 = 0x10, kOcw3 = 0x08;

}  // namespace

std::vector<PortRange> Pic8259::ports() const { return {{0x20, 2, 1}, {0xa0, 2, 1}, {0x4d0, 2, 1}}; }

uint8_t Pic8259::read_status(const Chip& chip) {
  return (chip.flags & kReadService) != 0 ? chip.service : chip.request;
}

uint32_t Pic8259::port_in(uint16_t port, unsigned /*bytes*/) {
  if (port >= 0x4d0) return chips_[port - 0x4d0u].level;
  const Chip& chip = chips_[port >= 0xa0 ? 1 : 0];
  return (port & 1) != 0 ? chip.mask : read_status(chip);
}

void Pic8259::port_out(uint16_t port, unsigned /*bytes*/, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  if (port >= 0x4d0) {
    // Lines 0, 1, 2, 8 and 13 are always edges.
    chips_[port - 0x4d0u].level = byte & (port == 0x4d0 ? 0xf8 : 0xde);
    return;
  }
  Chip& chip = chips_[port >= 0xa0 ? 1 : 0];
  if ((port & 1) != 0) {
    write_data(chip, byte);
  } else {
    write_command(chip, byte);
  }
}

void Pic8259::write_command(Chip& chip, uint8_t value) {
  if ((value & kIcw1) != 0) {
    chip.request = chip.service = chip.mask = 0;
    chip.init_step = 2;
    chip.flags = static_cast<uint8_t>(((value & 1) != 0 ? kNeedsIcw4 : 0) | ((value & 2) != 0 ? kSingle : 0));
  } else if ((value & kOcw3) != 0) {
    if ((value & 2) != 0)
      chip.flags = static_cast<uint8_t>((chip.flags & ~kReadService) | ((value & 1) != 0 ? kReadService : 0));
  } else if ((value & 0x60) == 0x60) {
    chip.service = static_cast<uint8_t>(chip.service & ~(1u << (value & 7)));  // specific EOI
  } else if ((value & 0x20) != 0) {
    chip.service = static_cast<uint8_t>(chip.service & (chip.service - 1u));  // the highest in service
  }
}

void Pic8259::write_data(Chip& chip, uint8_t value) {
  switch (chip.init_step) {
    case 2:
      chip.vector = value & 0xf8;
      chip.init_step = (chip.flags & kSingle) == 0 ? 3 : (chip.flags & kNeedsIcw4) != 0 ? 4 : 0;
      return;
    case 3: chip.init_step = (chip.flags & kNeedsIcw4) != 0 ? 4 : 0; return;
    case 4: chip.init_step = 0; return;
    default: chip.mask = value; return;
  }
}

void Pic8259::set_irq(unsigned irq, bool level) {
  if (irq >= 16) return;
  Chip& chip = chips_[irq / 8];
  const auto bit = static_cast<uint8_t>(1u << irq % 8);
  const bool rises = level && (chip.lines & bit) == 0;
  chip.lines = static_cast<uint8_t>(level ? chip.lines | bit : chip.lines & ~bit);
  if (rises) chip.request |= bit;
  if (!level && (chip.level & bit) != 0) chip.request = static_cast<uint8_t>(chip.request & ~bit);
}

void Pic8259::save(std::vector<std::byte>& out) const { save_state(out, chips_); }
Status Pic8259::restore(std::span<const std::byte>& in) { return restore_state(in, chips_); }

}  // namespace xensim::pc
