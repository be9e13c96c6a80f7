// Reads translated code backwards, instruction by instruction, each of which must be as expected.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace xensim::x86 {

// at() is the end of what is not read yet.
class CodeReader {
 public:
  explicit CodeReader(const uint8_t* end) : at_(end) {}

  // An instruction of `width` bytes more than its `opcode`; these are in value().
  bool read(std::initializer_list<uint8_t> opcode, size_t width) {
    const uint8_t* start = at_ - width - opcode.size();
    if (!std::equal(opcode.begin(), opcode.end(), start)) return false;
    value_ = 0;
    std::memcpy(&value_, start + opcode.size(), width);
    after_ = at_;
    at_ = start;
    return true;
  }
  uint64_t value() const { return value_; }
  // What value() points at as a signed distance from the instruction's end.
  uint64_t target() const { return reinterpret_cast<uintptr_t>(after_) + extended(); }
  // value() of 4 bytes, as an instruction on 8 takes it.
  uint64_t extended() const { return static_cast<uint64_t>(int64_t{static_cast<int32_t>(value_)}); }
  const uint8_t* at() const { return at_; }

 private:
  const uint8_t* at_;
  const uint8_t* after_ = nullptr;
  uint64_t value_ = 0;
};

}  // namespace xensim::x86
