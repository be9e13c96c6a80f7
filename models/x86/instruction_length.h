// The length of the instructions that compilers emit, by tables, much faster than a whole decoder. It says nothing of
// whether an instruction is valid.
#pragma once

#include <cstdint>
#include <span>

#include "models/x86/decode.h"

namespace xensim::x86 {

// `prefixes` are those that `bytes` begins with. 0: not an instruction that the tables know (16-bit code, VEX, far
// calls and other rarities), or `bytes` end too early.
unsigned instruction_length(std::span<const uint8_t> bytes, const Prefixes& prefixes, CodeSize size);

}  // namespace xensim::x86
