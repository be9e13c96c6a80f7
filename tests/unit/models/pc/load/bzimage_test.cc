// The boot header of a kernel, made here: what is read of it, and what is refused.
#include "models/pc/load/bzimage.h"

#include <doctest/doctest.h>
#include <zstd.h>

#include <cstring>

using namespace xensim;

namespace {

using Bytes = std::vector<std::byte>;

template <class T>
void put(Bytes& file, size_t at, T value) {
  std::memcpy(file.data() + at, &value, sizeof value);
}

// Two sectors of setup, then 0x40 bytes of code, then the payload.
Bytes kernel(const std::string& content) {
  Bytes file(3 * 512 + 0x40);
  put<uint8_t>(file, 0x1f1, 2);
  std::memcpy(file.data() + 0x202, "HdrS", 4);
  put<uint16_t>(file, 0x206, 0x20f);
  put<uint16_t>(file, 0x20e, 0x100);
  std::memcpy(file.data() + 0x300, "6.1.0-test", 11);
  put<uint16_t>(file, 0x236, 1);
  put<uint32_t>(file, 0x238, 2047);
  put<uint32_t>(file, 0x248, 0x40);
  put<uint64_t>(file, 0x258, 0x1000000);
  put<uint32_t>(file, 0x260, 0x3000000);
  Bytes packed(ZSTD_compressBound(content.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), content.data(), content.size(), 1));
  put<uint32_t>(file, 0x24c, static_cast<uint32_t>(packed.size()));
  file.insert(file.end(), packed.begin(), packed.end());
  return file;
}

}  // namespace

TEST_CASE("a bzImage's header and payload") {
  const Bytes file = kernel("the kernel itself");
  REQUIRE(pc::is_bzimage(file));
  const auto image = pc::read_bzimage("k", file);
  REQUIRE(image.has_value());
  CHECK(image->protocol == 0x20f);
  CHECK(image->kernel_offset == 3 * 512);
  CHECK(image->preferred_address == 0x1000000);
  CHECK(image->init_bytes == 0x3000000);
  CHECK(image->most_cmdline_bytes == 2047);
  CHECK(image->entry_64);
  CHECK(image->version == "6.1.0-test");
  const auto elf = pc::unpack_bzimage("k", *image, file);
  REQUIRE(elf.has_value());
  CHECK(std::string(reinterpret_cast<const char*>(elf->data()), elf->size()) == "the kernel itself");
}

TEST_CASE("what is refused, in one line") {
  Bytes file = kernel("x");
  CHECK_FALSE(pc::is_bzimage(std::span(file).first(0x200)));
  Bytes old = file;
  put<uint16_t>(old, 0x206, 0x205);
  CHECK(pc::read_bzimage("k", old).error().message ==
        "k: Linux boot protocol 2.05, at least 2.10 is needed (Linux 2.6.31)");
  Bytes cut(file.begin(), file.end() - 1);
  CHECK(pc::read_bzimage("k", cut).error().message.starts_with("k: ends before its kernel does"));
  Bytes wild = file;
  put<uint32_t>(wild, 0x248, 0xffffffff);
  CHECK_FALSE(pc::read_bzimage("k", wild).has_value());
  CHECK(pc::read_bzimage("k", Bytes(0x300)).error().message == "k: not a Linux kernel (no boot header)");
}
