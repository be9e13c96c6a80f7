// See acpi_pm.h.
#include "models/pc/device/acpi_pm.h"

#include "models/pc/device/addresses.h"
#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

constexpr uint16_t kEnablePort = kPmEventPort + 2;
constexpr uint16_t kSciEnabled = 1, kSleep = 1u << 13, kSleepType = 7u << 10;
constexpr uint64_t kNsPerSecond = 1'000'000'000;

}  // namespace

std::vector<PortRange> AcpiPm::ports() const {
  return {{kPmEventPort, 4, 4}, {kPmControlPort, 2, 2}, {kPmTimerPort, 4, 4}};
}

uint32_t AcpiPm::port_in(uint16_t port, unsigned /*bytes*/) {
  if (port >= kPmTimerPort) {
    const uint64_t now = clock_.now().v;
    const uint64_t ticks = now / kNsPerSecond * kPmTimerHz + now % kNsPerSecond * kPmTimerHz / kNsPerSecond;
    return static_cast<uint32_t>(ticks) >> 8 * (port - kPmTimerPort);
  }
  if (port >= kPmControlPort) return uint32_t{state_.control} >> 8 * (port - kPmControlPort);
  const uint32_t block = uint32_t{state_.enable} << 16;  // status below it
  return block >> 8 * (port - kPmEventPort);
}

void AcpiPm::port_out(uint16_t port, unsigned bytes, uint32_t value) {
  if (port == kEnablePort) state_.enable = static_cast<uint16_t>(value);
  if (port == kPmEventPort && bytes == 4) state_.enable = static_cast<uint16_t>(value >> 16);
  if (port != kPmControlPort) return;
  state_.control = static_cast<uint16_t>((value & ~uint32_t{kSleep}) | kSciEnabled);
  // The DSDT names type 0 for S5, and no other state.
  if ((value & kSleep) != 0 && (value & kSleepType) == 0) power_.power_off();
}

void AcpiPm::save(std::vector<std::byte>& out) const { save_state(out, state_); }
Status AcpiPm::restore(std::span<const std::byte>& in) { return restore_state(in, state_); }

}  // namespace xensim::pc
