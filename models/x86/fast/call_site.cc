#include "models/x86/fast/call_site.h"

#include <cstring>

namespace xensim::x86 {

// The fourth argument, as a constant or as a near address.
bool CallSites::passes_user(CodeReader& code) const {
  const auto argument = reinterpret_cast<uintptr_t>(user_);
  if (code.read({0x48, 0xb9}, 8)) return code.value() == argument;
  if (code.read({0x48, 0x8d, 0x0d}, 4)) return code.target() == argument;
  return code.read({0xb9}, 4) && code.value() == argument;
}

// CALL of a near address, or of one that lies in memory beside the code.
bool CallSites::calls_hook(CodeReader& code) const {
  const auto callee = reinterpret_cast<uintptr_t>(hook_);
  if (code.read({0xe8}, 4)) return code.target() == callee;
  uint64_t pointer = 0;
  if (!code.read({0xff, 0x15}, 4) || code.target() < begin_ || code.target() > end_ - sizeof pointer) return false;
  std::memcpy(&pointer, reinterpret_cast<const void*>(code.target()), sizeof pointer);
  return pointer == callee;
}

bool CallSites::renumber(const void* returns_to, uint32_t size, uint32_t number) {
  const auto* end = static_cast<const uint8_t*>(returns_to);
  if (!in_translated_code(end)) return false;
  CodeReader code(end);
  if (!calls_hook(code) || !passes_user(code)) return false;
  if (!code.read({0xba}, 4) || code.value() != size) return false;
  std::memcpy(const_cast<uint8_t*>(code.at()) + 1, &number, sizeof number);
  return true;
}

bool CallSites::in_translated_code(const uint8_t* at) const {
  const auto address = reinterpret_cast<uintptr_t>(at);
  constexpr uint64_t kLongestCall = 64;  // no read may leave the mapping
  return begin_ != end_ && address >= begin_ + kLongestCall && address < end_;
}

}  // namespace xensim::x86
