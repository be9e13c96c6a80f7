// The model-specific registers that the CPU layer holds itself; all others are the client's (SDM vol. 4).
#pragma once

#include <array>

#include "models/x86/machine_check.h"
#include "models/x86/state.h"

namespace xensim::x86 {

enum class MsrOutcome {
  kDone,
  kFault,   // #GP(0)
  kClient,  // not ours
};

// The MSRs of one vCPU that are not in the engine's state: memory types, which have no effect here, and machine checks,
// which never come.
struct MsrFile {
  uint64_t mtrr_default = 0;
  std::array<uint64_t, 16> mtrr_variable{};  // base, mask pairs from 0x200
  std::array<uint64_t, 11> mtrr_fixed{};     // 0x250, 0x258, 0x259, 0x268..0x26f

  uint64_t debug_control = 0;  // IA32_DEBUGCTL: LBR, which records nothing here, and BTF

  MachineChecks machine_checks;

  MsrOutcome read(const State& state, uint32_t msr, uint64_t& value) const;
  MsrOutcome write(State& state, uint32_t msr, uint64_t value);
};

}  // namespace xensim::x86
