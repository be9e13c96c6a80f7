// struct vcpu_hvm_context (public hvm/hvm_vcpu.h), what VCPUOP_initialise is given, as registers.
#pragma once

#include <cstddef>
#include <span>

#include "models/base/cpu.h"

namespace xensim::sim {

// `context` was checked by the core.
CpuRegs regs_of_hvm_context(std::span<const std::byte> context);

}  // namespace xensim::sim
