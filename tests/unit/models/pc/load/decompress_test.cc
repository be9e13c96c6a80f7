// Kernels' packings: each library's own stream comes back whole, and damage is one line.
#include "models/pc/load/decompress.h"

#include <doctest/doctest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <string>

using namespace xensim;

namespace {

using Bytes = std::vector<std::byte>;

// Three megabytes that compress well but not to nothing.
Bytes content() {
  Bytes bytes(3 << 20);
  uint32_t state = 1;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % 64 == 0) state = state * 1664525 + 1013904223;
    bytes[i] = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

Bytes gzip(const Bytes& from) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out(deflateBound(&stream, from.size()));
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<unsigned char*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes xz(const Bytes& from) {
  Bytes out(lzma_stream_buffer_bound(from.size()));
  size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const uint8_t*>(from.data()),
                                  from.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size()) == LZMA_OK);
  out.resize(size);
  return out;
}

Bytes zstd(const Bytes& from) {
  Bytes out(ZSTD_compressBound(from.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), from.data(), from.size(), 1));
  return out;
}

Bytes of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

// Three literals, a match of nine at distance 3, five literals: fewer may not end a block (lz4_Block_format.md).
const Bytes kLz4 = of({0x02, 0x21, 0x4c, 0x18, 12, 0, 0, 0, 0x35, 'a', 'b', 'c', 3, 0, 0x50, 'V', 'W', 'X', 'Y', 'Z'});

constexpr size_t kLimit = 16 << 20;

}  // namespace

TEST_CASE("each packing comes back whole, with a size behind it as kernels have it") {
  const Bytes plain = content();
  const std::pair<std::string, Bytes> all[] = {{"gzip", gzip(plain)}, {"xz", xz(plain)}, {"zstd", zstd(plain)}};
  for (const auto& each : all) {
    const std::string& name = each.first;
    Bytes packed = each.second;
    CAPTURE(name);
    CHECK(pc::compression_of(packed) == name);
    packed.resize(packed.size() + 4, std::byte{0x5a});
    const auto result = pc::decompress("k", packed, kLimit);
    REQUIRE(result.has_value());
    CHECK(*result == plain);
  }
}

TEST_CASE("lz4: literals, an overlapping match, an end") {
  const auto result = pc::decompress("k", kLz4, kLimit);
  REQUIRE(result.has_value());
  CHECK(std::string(reinterpret_cast<const char*>(result->data()), result->size()) == "abcabcabcabcVWXYZ");
}

TEST_CASE("lz4: a match before the block's begin, a block cut off") {
  Bytes far = kLz4;
  far[12] = std::byte{9};
  CHECK(pc::decompress("k", far, kLimit).error().message == "k: the lz4 data is damaged or ends early");
  for (size_t size = 4; size < kLz4.size(); ++size) {
    const auto cut = pc::decompress("k", std::span(kLz4).first(size), kLimit);
    CHECK_FALSE(cut.has_value());
  }
}

TEST_CASE("damage and length are one line, with the name in front") {
  for (const Bytes& packed : {gzip(content()), xz(content()), zstd(content())}) {
    const auto cut = pc::decompress("k", std::span(packed).first(packed.size() / 2), kLimit);
    REQUIRE_FALSE(cut.has_value());
    CHECK(cut.error().kind == ErrorKind::kInput);
    CHECK(cut.error().message.ends_with("data is damaged or ends early"));
    CHECK(pc::decompress("k", packed, 1 << 20).error().message == "k: unpacks to more than 1 MiB");
  }
  CHECK(pc::decompress("k", of({1, 2, 3}), kLimit).error().message.starts_with("k: packed in a way"));
}
