// See callback_via.h.
#include "models/xen/callback_via.h"

#include "models/xen/abi/public.h"

namespace xensim::xen {
namespace {

constexpr unsigned kTypeShift = 56;
constexpr uint32_t kGsis = 48;

// The fixed routing of a PIIX3 board's PCI interrupts above the ISA range, whatever devices there are.
uint32_t piix3_gsi(uint64_t value) {
  constexpr uint32_t kPciIntxGsiBase = 16;
  const uint32_t device = (value >> 11) & 31;
  const uint32_t pin = value & 3;
  return ((device * 4 + (device >> 3) + pin) & 31) + kPciIntxGsiBase;
}

// Trait callback_intx_needs_device. QEMU's q35 with nothing added: host bridge, and the functions of its south bridge;
// its firmware has given their four lines two ISA interrupts. 0: there is no such device.
uint32_t q35_gsi(uint64_t value) {
  constexpr uint64_t kFunctions[] = {0x00, 0xf8, 0xfa, 0xfb};  // 0.0, and 1f.0, LPC; .2, AHCI; .3, SMBus
  const uint64_t bus_and_segment = value >> 16 & 0xffffffff;
  if (bus_and_segment != 0) return 0;
  for (const uint64_t function : kFunctions) {
    if ((value >> 8 & 0xff) == function) return (value & 3) < 2 ? 10 : 11;
  }
  return 0;
}

}  // namespace

CallbackVia decode_via(const Flavour& flavour, uint64_t value) {
  switch (value >> kTypeShift) {
    case HVM_PARAM_CALLBACK_TYPE_GSI: {
      const uint64_t gsi = value & (flavour.callback_gsi_wide ? 0xffffffff : 0xff);
      if (gsi == 0 || gsi >= kGsis) return {};
      return {CallbackVia::Type::kGsi, 0, static_cast<uint32_t>(gsi)};
    }
    case HVM_PARAM_CALLBACK_TYPE_PCI_INTX:
      return {CallbackVia::Type::kPciIntx, 0, flavour.callback_intx_needs_device ? q35_gsi(value) : piix3_gsi(value)};
    case HVM_PARAM_CALLBACK_TYPE_VECTOR: return {CallbackVia::Type::kVector, static_cast<uint8_t>(value), 0};
    default: return {};
  }
}

}  // namespace xensim::xen
