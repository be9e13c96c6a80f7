// The Xen platform device (Xen, docs/misc/hvm-emulated-unplug.pandoc): a PCI function whose driver finds the hypervisor
// by it, and ports 0x10 to 0x13: a magic number, the unplug protocol, and a log, byte by byte.
#pragma once

#include <cstdint>
#include <string>

#include "models/pc/device/device.h"
#include "models/pc/device/pci_function.h"

namespace xensim::pc {

// Where the PC's PCI bus has its memory window, and this device on it. A GSI of Xen's PCI interrupts is 16 + (4 * slot
// + slot / 8 + pin) % 32.
inline constexpr uint32_t kPciMemoryFirst = 0xf0000000;
inline constexpr uint32_t kPciMemoryLast = 0xfbffffff;
inline constexpr unsigned kPlatformPciSlot = 2;
inline constexpr unsigned kPlatformPciGsi = 24;

class PlatformPci final : public PortDevice, public SavedDevice {
 public:
  explicit PlatformPci(ConsoleSink& sink);

  PciFunction& function() { return function_; }
  // Which emulated devices the guest has unplugged: the mask it wrote (1 IDE disks, 2 NICs, 4 all but the first disk).
  uint16_t unplugged() const { return state_.unplugged; }

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  struct State {
    uint32_t build = 0;
    uint16_t product = 0;
    uint16_t unplugged = 0;
  };

  // Glue.
  ConsoleSink& sink_;
  // Volatile.
  PciFunction function_;
  State state_;
};

}  // namespace xensim::pc
