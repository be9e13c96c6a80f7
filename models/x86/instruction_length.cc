// Intel SDM vol. 2, appendix A, reduced to what follows each opcode.
#include "models/x86/instruction_length.h"

#include <array>

namespace xensim::x86 {
namespace {

enum Form : uint8_t {
  kUnknown,
  kNone,    // the opcode alone
  kModRm,   // and its addressing
  kByte,    // an immediate of 8 bits
  kWord,    // of 16
  kOpSize,  // of 32, or 16 with an operand-size prefix
  kMove,    // as kOpSize, but 64 with REX.W
  kBranch,  // of 32; with an operand-size prefix processors differ
  kModRmByte,
  kModRmOpSize,
  kTest,       // ModR/M, and an immediate for its first two groups: of 8 bits
  kTestWide,   // of operand size
  kGroupByte,  // ModR/M and 8 bits; other groups than the first are something else
  kGroupWide,
  kGroupNone,
  kRepModRm,  // ModR/M with F3 only
};

using Table = std::array<Form, 256>;

constexpr void fill(Table& t, unsigned first, unsigned last, Form form) {
  for (unsigned i = first; i <= last; ++i) t[i] = form;
}

constexpr Table one_byte() {
  Table t{};
  for (unsigned row = 0; row < 0x40; row += 8) {
    fill(t, row, row + 3, kModRm);
    t[row + 4] = kByte;
    t[row + 5] = kOpSize;
  }
  fill(t, 0x50, 0x5f, kNone);
  t[0x63] = kModRm;
  t[0x68] = kOpSize;
  t[0x69] = kModRmOpSize;
  t[0x6a] = kByte;
  t[0x6b] = kModRmByte;
  fill(t, 0x6c, 0x6f, kNone);
  fill(t, 0x70, 0x7f, kByte);
  t[0x80] = t[0x83] = kModRmByte;
  t[0x81] = kModRmOpSize;
  fill(t, 0x84, 0x8e, kModRm);
  t[0x8f] = kGroupNone;
  fill(t, 0x90, 0x99, kNone);
  fill(t, 0x9c, 0x9f, kNone);
  fill(t, 0xa4, 0xa7, kNone);
  t[0xa8] = kByte;
  t[0xa9] = kOpSize;
  fill(t, 0xaa, 0xaf, kNone);
  fill(t, 0xb0, 0xb7, kByte);
  fill(t, 0xb8, 0xbf, kMove);
  t[0xc0] = t[0xc1] = kModRmByte;
  t[0xc2] = kWord;
  t[0xc3] = t[0xc9] = t[0xcc] = t[0xcf] = kNone;
  t[0xc6] = kGroupByte;
  t[0xc7] = kGroupWide;
  t[0xcd] = kByte;
  fill(t, 0xd0, 0xd3, kModRm);
  fill(t, 0xd8, 0xdf, kModRm);
  fill(t, 0xe0, 0xe7, kByte);
  t[0xe8] = t[0xe9] = kBranch;
  t[0xeb] = kByte;
  fill(t, 0xec, 0xef, kNone);
  t[0xf1] = t[0xf4] = t[0xf5] = kNone;
  t[0xf6] = kTest;
  t[0xf7] = kTestWide;
  fill(t, 0xf8, 0xfd, kNone);
  t[0xfe] = t[0xff] = kModRm;
  return t;
}

// After 0F.
constexpr Table two_bytes() {
  Table t{};
  fill(t, 0x00, 0x03, kModRm);
  fill(t, 0x05, 0x09, kNone);
  t[0x0b] = kNone;
  t[0x0d] = kModRm;
  fill(t, 0x10, 0x1f, kModRm);
  fill(t, 0x28, 0x2f, kModRm);
  fill(t, 0x30, 0x35, kNone);
  fill(t, 0x40, 0x6f, kModRm);
  fill(t, 0x70, 0x73, kModRmByte);
  fill(t, 0x74, 0x76, kModRm);
  t[0x77] = kNone;
  fill(t, 0x7c, 0x7f, kModRm);
  fill(t, 0x80, 0x8f, kBranch);
  fill(t, 0x90, 0x9f, kModRm);
  fill(t, 0xa0, 0xa2, kNone);
  t[0xa3] = t[0xa5] = t[0xab] = t[0xad] = t[0xae] = t[0xaf] = kModRm;
  t[0xa4] = t[0xac] = kModRmByte;
  fill(t, 0xa8, 0xaa, kNone);
  fill(t, 0xb0, 0xb7, kModRm);
  t[0xb8] = kRepModRm;
  t[0xba] = kModRmByte;
  fill(t, 0xbb, 0xc1, kModRm);
  t[0xc2] = kModRmByte;
  t[0xc3] = t[0xc7] = kModRm;
  fill(t, 0xc4, 0xc6, kModRmByte);
  fill(t, 0xc8, 0xcf, kNone);
  fill(t, 0xd0, 0xfe, kModRm);
  return t;
}

constexpr Table kOneByte = one_byte(), kTwoBytes = two_bytes();

// ModR/M, SIB and displacement in 32- and 64-bit addressing. 0: cut off.
unsigned addressing(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return 0;
  const unsigned mod = bytes[0] >> 6, rm = bytes[0] & 7;
  if (mod == 3) return 1;
  const bool sib = rm == 4;
  if (sib && bytes.size() < 2) return 0;
  const unsigned base = sib ? bytes[1] & 7 : rm;
  const unsigned displacement = mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0;
  return 1 + sib + displacement;
}

// What follows the opcode, `rest` begins there. ~0: unknown.
unsigned tail(Form form, std::span<const uint8_t> rest, const Prefixes& p) {
  constexpr unsigned kNot = ~0u;
  const unsigned wide = p.operand && !(p.rex & 8) ? 2 : 4;
  switch (form) {
    case kUnknown: return kNot;
    case kNone: return 0;
    case kByte: return 1;
    case kWord: return 2;
    case kOpSize: return wide;
    case kMove: return p.rex & 8 ? 8 : wide;
    case kBranch: return p.operand ? kNot : 4;
    default: break;
  }
  const unsigned modrm = addressing(rest);
  if (modrm == 0) return kNot;
  const unsigned group = rest[0] >> 3 & 7;
  switch (form) {
    case kModRmByte: return modrm + 1;
    case kModRmOpSize: return modrm + wide;
    case kTest: return modrm + (group < 2 ? 1 : 0);
    case kTestWide: return modrm + (group < 2 ? wide : 0);
    case kGroupByte: return group == 0 ? modrm + 1 : kNot;
    case kGroupWide: return group == 0 ? modrm + wide : kNot;
    case kGroupNone: return group == 0 ? modrm : kNot;
    case kRepModRm: return p.rep ? modrm : kNot;
    default: return modrm;
  }
}

}  // namespace

unsigned instruction_length(std::span<const uint8_t> bytes, const Prefixes& prefixes, CodeSize size) {
  if (size == CodeSize::k16 || (size == CodeSize::k32 && prefixes.address)) return 0;
  size_t at = prefixes.count;
  if (at >= bytes.size()) return 0;
  const uint8_t op = bytes[at++];
  Form form = size == CodeSize::k32 && op >= 0x40 && op < 0x50 ? kNone : kOneByte[op];
  if (op == 0x0f) {
    if (at >= bytes.size()) return 0;
    const uint8_t second = bytes[at++];
    form = kTwoBytes[second];
    if (second == 0x38 || second == 0x3a) {
      ++at;  // a third one
      form = second == 0x38 ? kModRm : kModRmByte;
    }
  }
  if (at > bytes.size()) return 0;
  const unsigned more = tail(form, bytes.subspan(at), prefixes);
  const size_t length = at + more;
  return more == ~0u || length > bytes.size() || length > 15 ? 0 : static_cast<unsigned>(length);
}

}  // namespace xensim::x86
