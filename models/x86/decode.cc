#include "models/x86/decode.h"

#include <capstone/capstone.h>

#include "models/base/check.h"
#include "models/x86/instruction_length.h"

namespace xensim::x86 {
namespace {

constexpr cs_mode kModes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};

bool is_string_opcode(uint8_t op) { return (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf); }
bool is_port_opcode(uint8_t op) {
  return (op >= 0x6c && op <= 0x6f) || (op >= 0xe4 && op <= 0xe7) || (op >= 0xec && op <= 0xef);
}

// Two-byte opcodes (after 0F) that must not run in the engine.
InstructionClass classify_0f(std::span<const uint8_t> bytes) {
  if (bytes.size() < 2) return InstructionClass::kPlain;
  const uint8_t op = bytes[0], modrm = bytes[1];
  const bool memory = modrm < 0xc0;
  const unsigned reg = modrm >> 3 & 7;
  switch (op) {
    case 0x01:  // MONITOR, MWAIT, XGETBV, XSETBV, RDPKRU, WRPKRU, MONITORX, MWAITX, CLZERO
      if (modrm == 0xc8 || modrm == 0xc9 || modrm == 0xd0 || modrm == 0xd1 || modrm == 0xee || modrm == 0xef ||
          (modrm >= 0xfa && modrm <= 0xfc))
        return InstructionClass::kForbidden;
      return InstructionClass::kPlain;
    case 0xae:  // XSAVE, XRSTOR, XSAVEOPT (and CLWB)
      return memory && reg >= 4 && reg <= 6 ? InstructionClass::kForbidden : InstructionClass::kPlain;
    case 0xc7:  // RDRAND, RDSEED, RDPID; XRSTORS, XSAVEC, XSAVES
      if (!memory && reg >= 6) return InstructionClass::kForbidden;
      return memory && reg >= 3 && reg <= 5 ? InstructionClass::kForbidden : InstructionClass::kPlain;
    default: return InstructionClass::kPlain;
  }
}

InstructionClass classify(std::span<const uint8_t> bytes, const Prefixes& prefixes, CodeSize size) {
  if (bytes.empty()) return InstructionClass::kPlain;
  const uint8_t op = bytes[0];
  if (is_port_opcode(op) && !prefixes.lock) return InstructionClass::kPortIo;
  if (is_string_opcode(op))
    return prefixes.rep || prefixes.repne ? InstructionClass::kRepString : InstructionClass::kPlain;
  switch (op) {
    case 0x0f: return classify_0f(bytes.subspan(1));
    case 0xf1: return InstructionClass::kIcebp;
    case 0xfb: return InstructionClass::kMakesShadow;
    case 0x17: return size == CodeSize::k64 ? InstructionClass::kPlain : InstructionClass::kMakesShadow;
    case 0x8e:
      return bytes.size() > 1 && (bytes[1] >> 3 & 7) == 2 ? InstructionClass::kMakesShadow : InstructionClass::kPlain;
    default: return InstructionClass::kPlain;
  }
}

}  // namespace

Prefixes parse_prefixes(std::span<const uint8_t> bytes, CodeSize size) {
  Prefixes p;
  for (; p.count < bytes.size(); ++p.count) {
    const uint8_t byte = bytes[p.count];
    switch (byte) {
      case 0x26: p.segment = kEs; continue;
      case 0x2e: p.segment = kCs; continue;
      case 0x36: p.segment = kSs; continue;
      case 0x3e: p.segment = kDs; continue;
      case 0x64: p.segment = kFs; continue;
      case 0x65: p.segment = kGs; continue;
      case 0x66: p.operand = true; continue;
      case 0x67: p.address = true; continue;
      case 0xf0: p.lock = true; continue;
      case 0xf2:
        p.repne = true;
        p.rep = false;
        continue;
      case 0xf3:
        p.rep = true;
        p.repne = false;
        continue;
      default: break;
    }
    if (size == CodeSize::k64 && (byte & 0xf0) == 0x40) {
      p.rex = byte;
      ++p.count;
    }
    break;
  }
  return p;
}

Decoder::Decoder() {
  for (unsigned i = 0; i < 3; ++i) XS_CHECK(cs_open(CS_ARCH_X86, kModes[i], &handles_[i]) == CS_ERR_OK);
  instruction_ = cs_malloc(handles_[0]);
}

Decoder::~Decoder() {
  cs_free(instruction_, 1);
  for (size_t& handle : handles_) cs_close(&handle);
}

Instruction Decoder::decode(std::span<const uint8_t> bytes, CodeSize size) const {
  Instruction result;
  const size_t handle = handles_[static_cast<unsigned>(size)];
  const Prefixes prefixes = parse_prefixes(bytes, size);
  result.kind = classify(bytes.subspan(prefixes.count), prefixes, size);
  const unsigned natural = size == CodeSize::k64 ? 64 : size == CodeSize::k32 ? 32 : 16;
  const unsigned other = size == CodeSize::k32 ? 16 : 32;
  result.address_bits = static_cast<uint8_t>(prefixes.address ? other : natural);
  result.length = static_cast<uint8_t>(instruction_length(bytes, prefixes, size));
  if (result.length != 0) return result;
  const uint8_t* code = bytes.data();
  size_t left = bytes.size();
  uint64_t address = 0;
  if (cs_disasm_iter(handle, &code, &left, &address, instruction_))
    result.length = static_cast<uint8_t>(instruction_->size);
  return result;
}

}  // namespace xensim::x86
