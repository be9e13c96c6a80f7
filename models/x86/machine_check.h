// The MSRs of machine checks (SDM vol. 3, chapter 17), as two hypervisors show them to a guest. None ever comes.
//
// Xen: two banks, in which nothing can be set, and 32 that can be asked for. KVM: ten, which hold what is written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace xensim::x86 {

struct MachineChecks {
  static constexpr size_t kKvmBanks = 10;

  bool settable = false;  // as KVM has them
  uint64_t status = 0;    // MCG_STATUS
  uint64_t control = ~uint64_t{0};
  std::array<uint64_t, 4 * kKvmBanks> banks = all_on();  // of each: control, status, address, rest

  // Is the MSR one of these?
  bool has(uint32_t msr) const;
  // For those that has() says there are, as the next.
  uint64_t read(uint32_t msr) const;
  // false: #GP(0).
  bool write(uint32_t msr, uint64_t value);

 private:
  static constexpr std::array<uint64_t, 4 * kKvmBanks> all_on() {
    std::array<uint64_t, 4 * kKvmBanks> banks{};
    for (size_t i = 0; i < banks.size(); i += 4) banks[i] = ~uint64_t{0};
    return banks;
  }
  bool write_settable(uint32_t msr, uint64_t value);
};

}  // namespace xensim::x86
