// A dead vCPU in words: registers, the instruction it was at, and its stack with symbols.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "models/base/cpu.h"
#include "models/pc/load/symbol_table.h"

namespace xensim::sim {

// Eight bytes at a guest-physical address; nullopt: no RAM there.
using ReadWord = std::function<std::optional<uint64_t>(Gpa)>;

std::string describe_vcpu(Cpu& cpu, VcpuId vcpu, const pc::SymbolTable& symbols, const ReadWord& read_word);

}  // namespace xensim::sim
