// See pci_host.h.
#include "models/pc/device/pci_host.h"

#include "models/base/check.h"
#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

constexpr uint16_t kAddressPort = 0xcf8, kResetPort = 0xcf9, kDataPort = 0xcfc;
constexpr uint32_t kEnable = 1u << 31, kFunctionBits = 0xffff00, kResetCpu = 4;

}  // namespace

void PciHost::attach(unsigned device, unsigned function, PciFunction& target) {
  const bool added = functions_.emplace(device << 11 | function << 8, &target).second;
  XS_CHECK(added);
}

std::vector<PortRange> PciHost::ports() const { return {{kAddressPort, 4, 4}, {kDataPort, 4, 4}}; }

PciFunction* PciHost::selected() const {
  if ((address_ & kEnable) == 0) return nullptr;
  const auto found = functions_.find(address_ & kFunctionBits);
  return found == functions_.end() ? nullptr : found->second;
}

uint32_t PciHost::port_in(uint16_t port, unsigned bytes) {
  if (port < kDataPort) return port == kAddressPort && bytes == 4 ? address_ : 0;
  const PciFunction* function = selected();
  if (function == nullptr) return 0xffffffff;
  return function->read(static_cast<uint8_t>((address_ & 0xfc) + (port - kDataPort)), bytes);
}

void PciHost::port_out(uint16_t port, unsigned bytes, uint32_t value) {
  if (port < kDataPort) {
    if (port == kAddressPort && bytes == 4) address_ = value;
    if (port == kResetPort && bytes == 1 && (value & kResetCpu) != 0) power_.reset();
    return;
  }
  PciFunction* function = selected();
  if (function != nullptr) function->write(static_cast<uint8_t>((address_ & 0xfc) + (port - kDataPort)), bytes, value);
}

void PciHost::save(std::vector<std::byte>& out) const { save_state(out, address_); }
Status PciHost::restore(std::span<const std::byte>& in) { return restore_state(in, address_); }

}  // namespace xensim::pc
