// See platform_pci.h.
#include "models/pc/device/platform_pci.h"

#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

constexpr uint16_t kMagicPort = 0x10, kProtocolPort = 0x12;
constexpr uint16_t kMagic = 0x49d2;
constexpr uint8_t kProtocol = 1;
constexpr uint16_t kIoBase = 0xc000, kIoBytes = 0x100;
constexpr uint32_t kMemoryBase = 0xf2000000, kMemoryBytes = 0x1000000;

}  // namespace

PlatformPci::PlatformPci(ConsoleSink& sink)
    : sink_(sink), function_({.vendor = 0x5853, .device = 0x0001, .class_and_revision = 0xff800001}) {
  function_.set(4, 2, 3);  // I/O and memory are on
  function_.set(0x10, 4, kIoBase | 1);
  function_.allow(0x10, 4, ~uint32_t{kIoBytes - 1});
  function_.set(0x14, 4, kMemoryBase | 8);  // prefetchable
  function_.allow(0x14, 4, ~(kMemoryBytes - 1));
  function_.set(0x2c, 4, 0x00015853);
  function_.set(0x3c, 1, kPlatformPciGsi);
  function_.set(0x3d, 1, 1);  // INTA
}

// The memory window is the guest's to place grant tables in: nothing answers there.
std::vector<PortRange> PlatformPci::ports() const { return {{kMagicPort, 4, 4}, {kIoBase, kIoBytes, 4}}; }

uint32_t PlatformPci::port_in(uint16_t port, unsigned bytes) {
  if (port == kMagicPort && bytes == 2) return kMagic;
  if (port == kProtocolPort && bytes == 1) return kProtocol;
  if (port == kIoBase) return 0;  // flags: the ROM area is writable
  return 0xffffffff;
}

void PlatformPci::port_out(uint16_t port, unsigned bytes, uint32_t value) {
  if (port == kMagicPort && bytes == 4) state_.build = value;
  if (port == kMagicPort && bytes == 2) state_.unplugged = static_cast<uint16_t>(state_.unplugged | value);
  if (port == kProtocolPort && bytes == 2) state_.product = static_cast<uint16_t>(value);
  if (port == kProtocolPort && bytes == 1) sink_.console_output(ConsoleSource::kPort12, static_cast<uint8_t>(value));
}

void PlatformPci::save(std::vector<std::byte>& out) const {
  function_.save(out);
  save_state(out, state_);
}

Status PlatformPci::restore(std::span<const std::byte>& in) {
  std::span<const std::byte> rest = in;
  PciFunction function = function_;
  XS_TRY_STATUS(function.restore(rest));
  XS_TRY_STATUS(restore_state(rest, state_));
  function_ = function;
  in = rest;
  return {};
}

}  // namespace xensim::pc
