// Lengths by tables against a whole decoder's.
#include "models/x86/instruction_length.h"

#include <capstone/capstone.h>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "models/base/prng.h"

using namespace xensim;
using namespace xensim::x86;

namespace {

class Reference {
 public:
  explicit Reference(cs_mode mode) {
    REQUIRE(cs_open(CS_ARCH_X86, mode, &handle_) == CS_ERR_OK);
    instruction_ = cs_malloc(handle_);
  }
  ~Reference() {
    cs_free(instruction_, 1);
    cs_close(&handle_);
  }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;

  unsigned length(std::span<const uint8_t> bytes) const {
    const uint8_t* code = bytes.data();
    size_t left = bytes.size();
    uint64_t address = 0;
    return cs_disasm_iter(handle_, &code, &left, &address, instruction_) ? instruction_->size : 0;
  }

 private:
  csh handle_ = 0;
  cs_insn* instruction_ = nullptr;
};

unsigned by_tables(std::span<const uint8_t> bytes, CodeSize size) {
  return instruction_length(bytes, parse_prefixes(bytes, size), size);
}

}  // namespace

TEST_CASE("wherever both know an instruction, its length is the same") {
  const Reference long_mode(CS_MODE_64), protected_mode(CS_MODE_32);
  constexpr std::array<std::array<uint8_t, 2>, 9> kStarts = {
      {{0, 0}, {1, 0x66}, {1, 0xf3}, {1, 0xf2}, {1, 0x48}, {1, 0x41}, {1, 0x65}, {1, 0x2e}, {1, 0x67}}};
  Prng random(5);
  unsigned known = 0, both = 0;
  for (unsigned two = 0; two < 2; ++two) {
    for (unsigned op = 0; op < 256; ++op) {
      for (unsigned round = 0; round < 300; ++round) {
        std::vector<uint8_t> bytes;
        const auto& start = kStarts[round % kStarts.size()];
        if (start[0]) bytes.push_back(start[1]);
        if (two) bytes.push_back(0x0f);
        bytes.push_back(static_cast<uint8_t>(op));
        while (bytes.size() < 15) bytes.push_back(static_cast<uint8_t>(random.below(256)));
        for (const bool wide : {true, false}) {
          const unsigned ours = by_tables(bytes, wide ? CodeSize::k64 : CodeSize::k32);
          const unsigned reference = (wide ? long_mode : protected_mode).length(bytes);
          known += reference != 0;
          if (ours == 0 || reference == 0) continue;
          // With an operand-size prefix and REX.W Capstone reads 4 bytes behind RET, which always has 2.
          if (bytes[parse_prefixes(bytes, wide ? CodeSize::k64 : CodeSize::k32).count] == 0xc2) continue;
          ++both;
          std::string text;
          for (const uint8_t byte : bytes) text += fmt::format("{:02x} ", byte);
          CHECK_MESSAGE(ours == reference, text << (wide ? "in 64-bit mode" : "in 32-bit mode"));
        }
      }
    }
  }
  CHECK(both > known * 8 / 10);
}

TEST_CASE("instructions that end too early, and 16-bit code, are not known") {
  const std::array<uint8_t, 7> load = {0x48, 0x8b, 0x84, 0x24, 0x10, 0, 0};  // one byte of the displacement is missing
  CHECK(by_tables(load, CodeSize::k64) == 0);
  CHECK(by_tables(std::span(load).first(3), CodeSize::k64) == 0);
  CHECK(by_tables(std::span(load).first(1), CodeSize::k64) == 0);
  const std::array<uint8_t, 2> nop = {0x90, 0x90};
  CHECK(by_tables(nop, CodeSize::k64) == 1);
  CHECK(by_tables(nop, CodeSize::k16) == 0);
}
