// See machine_check.h.
#include "models/x86/machine_check.h"

namespace xensim::x86 {
namespace {

constexpr uint32_t kP5Address = 0, kP5Type = 1;
constexpr uint32_t kCap = 0x179, kStatus = 0x17a, kControl = 0x17b, kFirst = 0x400;
constexpr uint32_t kControl2First = 0x280, kMostBanks = 32;
constexpr uint64_t kXenBanks = 2;
constexpr uint64_t kXenCap = kXenBanks, kKvmCap = MachineChecks::kKvmBanks | 1u << 8;  // bit 8: there is MCG_CTL

constexpr bool is_p5(uint32_t msr) { return msr == kP5Address || msr == kP5Type; }
constexpr bool is_global(uint32_t msr) { return msr >= kCap && msr <= kControl; }
constexpr bool is_control2(uint32_t msr) { return msr >= kControl2First && msr < kControl2First + kMostBanks; }
constexpr bool is_bank_of(uint32_t msr, uint64_t banks) { return msr >= kFirst && msr < kFirst + 4 * banks; }

}  // namespace

bool MachineChecks::has(uint32_t msr) const {
  if (is_p5(msr) || is_global(msr)) return true;
  return settable ? is_bank_of(msr, kKvmBanks) : is_bank_of(msr, kMostBanks) || is_control2(msr);
}

uint64_t MachineChecks::read(uint32_t msr) const {
  if (msr == kCap) return settable ? kKvmCap : kXenCap;
  if (msr == kStatus) return status;
  if (msr == kControl) return settable ? control : 0;
  if (settable && is_bank_of(msr, kKvmBanks)) return banks[msr - kFirst];
  return is_bank_of(msr, kXenBanks) && msr % 4 == 0 ? ~uint64_t{0} : 0;
}

bool MachineChecks::write(uint32_t msr, uint64_t value) {
  if (is_p5(msr)) return false;
  if (msr == kStatus) {
    status = value;
    return true;
  }
  if (settable) return write_settable(msr, value);
  // A bank's status, address and rest can be cleared alone; its control, and what is not there, ignores writes.
  return !is_bank_of(msr, kXenBanks) || msr % 4 == 0 || value == 0;
}

bool MachineChecks::write_settable(uint32_t msr, uint64_t value) {
  constexpr uint64_t kMayBeClear = 1u << 10 | 1u << 0;  // of a bank's control: some kernels clear one of them
  if (msr == kCap) return false;
  if (msr == kControl) {
    if (value != 0 && ~value != 0) return false;
    control = value;
    return true;
  }
  const uint32_t index = msr - kFirst;
  if (index % 4 == 0 && value != 0 && ~(value | kMayBeClear) != 0) return false;
  if (index % 4 == 1 && value != 0) return false;
  banks[index] = value;
  return true;
}

}  // namespace xensim::x86
