// What the software CPU must know of an instruction before it runs: its length, and whether the engine may run it at
// all.
#pragma once

#include <cstdint>
#include <span>

#include "models/x86/state.h"

struct cs_insn;

namespace xensim::x86 {

enum class CodeSize : uint8_t { k16, k32, k64 };

constexpr CodeSize code_size(bool code64, bool code32) {
  return code64 ? CodeSize::k64 : code32 ? CodeSize::k32 : CodeSize::k16;
}

enum class InstructionClass : uint8_t {
  kPlain,
  kPortIo,       // IN, OUT, INS, OUTS: served by the client, after the privilege check
  kForbidden,    // would show the host, or is not offered by CPUID: #UD
  kIcebp,        // INT1 (F1): #DB
  kMakesShadow,  // STI, MOV SS, POP SS
  kRepString,    // a repeated string instruction that the engine runs: one iteration at a time
};

struct Instruction {
  uint8_t length = 0;  // 0: not decodable
  InstructionClass kind = InstructionClass::kPlain;
  uint8_t address_bits = 64;  // address size, kRepString's count register
};

// Decodes by tables, and with Capstone what they do not know; owns its handles.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Instruction decode(std::span<const uint8_t> bytes, CodeSize size) const;

 private:
  size_t handles_[3]{};
  cs_insn* instruction_ = nullptr;
};

// The legacy prefixes and REX of an instruction.
struct Prefixes {
  unsigned count = 0;  // bytes
  bool operand = false, address = false, rep = false, repne = false, lock = false;
  int segment = -1;  // Seg, or -1
  uint8_t rex = 0;
};
Prefixes parse_prefixes(std::span<const uint8_t> bytes, CodeSize size);

}  // namespace xensim::x86
