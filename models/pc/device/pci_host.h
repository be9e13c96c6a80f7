// The PCI host bridge: configuration access by the ports 0xcf8 and 0xcfc (PCI Local Bus 3.0, 3.2.2.3), one bus. It also
// holds the reset control register at 0xcf9.
#pragma once

#include <map>

#include "models/pc/device/acpi_pm.h"
#include "models/pc/device/pci_function.h"

namespace xensim::pc {

class PciHost final : public PortDevice, public SavedDevice {
 public:
  explicit PciHost(PowerClient& power) : power_(power) {}

  // On bus 0. The function outlives the bridge, and saves its own state.
  void attach(unsigned device, unsigned function, PciFunction& target);

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  // The function that the address names; nullptr: none, or configuration access is off.
  PciFunction* selected() const;

  // Glue.
  PowerClient& power_;
  std::map<uint32_t, PciFunction*> functions_;  // by device and function, as the address has them
  // Volatile.
  uint32_t address_ = 0;
};

}  // namespace xensim::pc
