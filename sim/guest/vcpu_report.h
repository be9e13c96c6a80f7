// A dead vCPU in words: registers, the instruction it was at, and its stack with symbols.
#pragma once

#include <string>

#include "models/base/cpu.h"
#include "models/pc/load/symbol_table.h"
#include "sim/guest/guest_memory.h"

namespace xensim::sim {

std::string describe_vcpu(Cpu& cpu, VcpuId vcpu, const pc::SymbolTable& symbols, const GuestMemory& memory);

}  // namespace xensim::sim
