// Native images: placed, reset, refused.
#include "models/pc/load/native_image.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/unit/models/pc/load/tiny_elf.h"

using namespace xensim;
using namespace xensim::pc;
using namespace xensim::pc::test;

namespace {

using File = std::vector<std::byte>;

template <class T>
T at(const std::vector<std::byte>& ram, uint64_t offset) {
  T value;
  std::memcpy(&value, ram.data() + offset, sizeof value);
  return value;
}

std::string message_with(uint64_t offset, auto value) {
  File file = native_elf();
  poke(file, offset, value);
  const auto image = read_native_image("n.so", file);
  return image ? "loaded" : image.error().message;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an image is placed, relocated and found by name") {
  const File file = native_elf();
  const auto image = read_native_image("n.so", file);
  REQUIRE_MESSAGE(image.has_value(), image.error().message);
  CHECK(image->end == 0x101100);
  std::vector<std::byte> ram(0x102000, std::byte{0xaa});
  auto program = NativeProgram::place(*image, file, ram);
  REQUIRE(program.has_value());
  CHECK(at<uint64_t>(ram, 0x101000) == 0x1111);
  CHECK(at<uint64_t>(ram, 0x101008) == reinterpret_cast<uint64_t>(ram.data()) + 0x100010);
  CHECK(program->symbol("xs_native_main") == ram.data() + 0x100000);
  CHECK(program->symbol("counter") == ram.data() + 0x101000);
  CHECK(program->symbol("count") == nullptr);
  CHECK(ram[0xfffff] == std::byte{0xaa});
  CHECK(ram[0x101100] == std::byte{0xaa});
}

TEST_CASE("reset writes back all that is writable, but for the stacks") {
  const File file = native_elf();
  const auto image = read_native_image("n.so", file);
  REQUIRE(image.has_value());
  std::vector<std::byte> ram(0x102000);
  auto program = NativeProgram::place(*image, file, ram);
  REQUIRE(program.has_value());
  REQUIRE(program->writable().size() == 2);
  CHECK(program->writable()[0].vaddr == 0x101000);
  CHECK(program->writable()[0].content.size() == 0x20);
  CHECK(program->writable()[0].bytes == 0x40);
  CHECK(program->writable()[1].vaddr == 0x101080);
  CHECK(program->writable()[1].content.empty());
  CHECK(program->writable()[1].bytes == 0x80);
  const std::vector<std::byte> pristine = ram;
  std::fill(ram.begin() + 0x101000, ram.begin() + 0x101100, std::byte{0x55});
  program->reset();
  for (uint64_t i = 0x101000; i < 0x101100; ++i) {
    const bool stack = i >= 0x101040 && i < 0x101080;
    CHECK(ram[i] == (stack ? std::byte{0x55} : pristine[i]));
  }
}

TEST_CASE("what cannot run natively is refused by name") {
  CHECK(contains(message_with(offsetof(Elf64_Ehdr, e_type), uint16_t{ET_EXEC}), "not ET_DYN"));
  CHECK(contains(message_with(offsetof(Elf64_Ehdr, e_machine), uint16_t{EM_386}), "e_machine"));
  CHECK(contains(message_with(kPhdrs + offsetof(Elf64_Phdr, p_vaddr), uint64_t{0xff000}), "below 0x100000"));
  CHECK(contains(message_with(kRelaOffset + 8, uint64_t{R_X86_64_64}), "relocation 0 (of 0x101008) has type 1"));
  CHECK(contains(message_with(kRelaOffset, uint64_t{0x100000}), "in no writable segment"));
  CHECK(contains(message_with(kRelaOffset, ~uint64_t{0}), "in no writable segment"));
  CHECK(contains(message_with(kDynamicOffset, uint64_t{DT_NEEDED}), "DT_NEEDED"));
  CHECK(contains(message_with(kDynamicOffset + 24, uint64_t{0x1000}), "DT_RELASZ 0x1000"));
  CHECK(
      contains(message_with(0x380 + sizeof(Elf64_Sym) + 6, uint16_t{SHN_UNDEF}), "undefined symbol 'xs_native_main'"));
  CHECK(
      contains(message_with(0x380 + sizeof(Elf64_Sym) + 8, uint64_t{0x5000}), "'xs_native_main' at 0x5000 is outside"));
}

TEST_CASE("a native image whose bytes are anything is refused, or placed inside its memory") {
  const File whole = native_elf();
  std::vector<std::byte> ram(0x102000);
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      File file = whole;
      file[i] ^= static_cast<std::byte>(flip);
      const auto image = read_native_image("n.so", file);
      if (!image) continue;
      auto program = NativeProgram::place(*image, file, ram);
      if (program) program->reset();
    }
  }
  CHECK(read_native_image("n.so", whole).has_value());
}
