// See pci_function.h.
#include "models/pc/device/pci_function.h"

#include "models/base/check.h"
#include "models/pc/device/state_bytes.h"

namespace xensim::pc {

PciFunction::PciFunction(const Identity& identity) {
  set(0, 2, identity.vendor);
  set(2, 2, identity.device);
  set(8, 4, identity.class_and_revision);
  set(14, 1, identity.header_type);
  allow(4, 2, 0x0547);  // command: I/O, memory, master, parity, SERR, INTx off
  allow(12, 1, 0xff);   // cache line
  allow(60, 1, 0xff);   // interrupt line
}

uint32_t PciFunction::read(uint8_t offset, unsigned bytes) const {
  XS_CHECK(offset + bytes <= space_.size());
  uint32_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= uint32_t{space_[offset + i]} << 8 * i;
  return value;
}

void PciFunction::write(uint8_t offset, unsigned bytes, uint32_t value) {
  XS_CHECK(offset + bytes <= space_.size());
  for (unsigned i = 0; i < bytes; ++i) {
    const uint8_t mask = writable_[offset + i];
    const auto byte = static_cast<uint8_t>(value >> 8 * i);
    space_[offset + i] = static_cast<uint8_t>((space_[offset + i] & ~mask) | (byte & mask));
  }
}

void PciFunction::set(uint8_t offset, unsigned bytes, uint32_t value) {
  for (unsigned i = 0; i < bytes; ++i) space_[offset + i] = static_cast<uint8_t>(value >> 8 * i);
}

void PciFunction::allow(uint8_t offset, unsigned bytes, uint32_t mask) {
  for (unsigned i = 0; i < bytes; ++i) writable_[offset + i] = static_cast<uint8_t>(mask >> 8 * i);
}

void PciFunction::save(std::vector<std::byte>& out) const { save_state(out, space_); }
Status PciFunction::restore(std::span<const std::byte>& in) { return restore_state(in, space_); }

}  // namespace xensim::pc
