// See decompress.h. One loop for the three libraries: feed all, take blocks of output, stop at the end of the stream.
#include "models/pc/load/decompress.h"

#include <fmt/format.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstring>
#include <memory>

#include "models/pc/load/lz4_legacy.h"
#include "models/pc/load/unpacked_size.h"

namespace xensim::pc {
namespace {

constexpr size_t kBlock = 1 << 20;

struct Format {
  std::string_view name;
  std::string_view magic;
};
constexpr std::array kFormats = {Format{"gzip", "\x1f\x8b"}, Format{"xz", std::string_view("\xfd\x37zXZ\0", 6)},
                                 Format{"zstd", "\x28\xb5\x2f\xfd"}, Format{"lz4", "\x02\x21\x4c\x18"}};

Error broken(const std::string& name, std::string_view format) {
  return Error{ErrorKind::kInput, fmt::format("{}: the {} data is damaged or ends early", name, format)};
}

// What a library said after one step.
enum class Step { kMore, kEnd, kBroken };

// `step(out)` writes into `out` and shrinks it to what was not written.
template <class StepFunction>
Result<std::vector<std::byte>> collect(const std::string& name, std::string_view format, size_t limit, size_t packed,
                                       StepFunction&& step) {
  std::vector<std::byte> content;
  content.reserve(usual_unpacked_size(packed, limit + kBlock));
  while (true) {
    const size_t before = content.size();
    content.resize(before + kBlock);
    std::span<std::byte> out(content.data() + before, kBlock);
    const Step result = step(out);
    content.resize(content.size() - out.size());
    if (content.size() > limit) return input_error(fmt::format("{}: unpacks to more than {} MiB", name, limit >> 20));
    if (result == Step::kEnd) return content;
    if (result == Step::kBroken || content.size() == before) return tl::make_unexpected(broken(name, format));
  }
}

unsigned char* bytes_of(std::span<std::byte> span) { return reinterpret_cast<unsigned char*>(span.data()); }

Result<std::vector<std::byte>> gunzip(const std::string& name, std::span<const std::byte> packed, size_t limit) {
  z_stream stream{};
  constexpr int kGzipAlone = 15 + 16;  // the largest window, with a gzip header
  if (inflateInit2(&stream, kGzipAlone) != Z_OK) return environment_error("zlib cannot be set up");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  return collect(name, "gzip", limit, packed.size(), [&](std::span<std::byte>& out) {
    stream.next_out = bytes_of(out);
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    out = out.last(stream.avail_out);
    return result == Z_STREAM_END ? Step::kEnd : result == Z_OK ? Step::kMore : Step::kBroken;
  });
}

Result<std::vector<std::byte>> unxz(const std::string& name, std::span<const std::byte> packed, size_t limit) {
  lzma_stream stream = LZMA_STREAM_INIT;
  constexpr uint64_t kMemory = uint64_t{1} << 30;  // a dictionary larger than this is no kernel's
  if (lzma_stream_decoder(&stream, kMemory, 0) != LZMA_OK) return environment_error("liblzma cannot be set up");
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> owner(&stream, lzma_end);
  stream.next_in = reinterpret_cast<const uint8_t*>(packed.data());
  stream.avail_in = packed.size();
  return collect(name, "xz", limit, packed.size(), [&](std::span<std::byte>& out) {
    stream.next_out = bytes_of(out);
    stream.avail_out = out.size();
    const lzma_ret result = lzma_code(&stream, LZMA_RUN);
    out = out.last(stream.avail_out);
    return result == LZMA_STREAM_END ? Step::kEnd : result == LZMA_OK ? Step::kMore : Step::kBroken;
  });
}

Result<std::vector<std::byte>> unzstd(const std::string& name, std::span<const std::byte> packed, size_t limit) {
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  // Kernels are packed with a window of 128 MiB.
  ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, 27);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  return collect(name, "zstd", limit, packed.size(), [&](std::span<std::byte>& out) {
    ZSTD_outBuffer buffer{out.data(), out.size(), 0};
    const size_t result = ZSTD_decompressStream(stream.get(), &buffer, &in);
    out = out.subspan(buffer.pos);
    return ZSTD_isError(result) != 0 ? Step::kBroken : result == 0 ? Step::kEnd : Step::kMore;
  });
}

}  // namespace

std::string_view compression_of(std::span<const std::byte> packed) {
  for (const Format& format : kFormats) {
    if (packed.size() >= format.magic.size() &&
        std::memcmp(packed.data(), format.magic.data(), format.magic.size()) == 0) {
      return format.name;
    }
  }
  return {};
}

Result<std::vector<std::byte>> decompress(const std::string& name, std::span<const std::byte> packed, size_t limit) {
  const std::string_view format = compression_of(packed);
  if (format == "gzip") return gunzip(name, packed, limit);
  if (format == "xz") return unxz(name, packed, limit);
  if (format == "zstd") return unzstd(name, packed, limit);
  if (format == "lz4") return unpack_lz4_legacy(name, packed, limit);
  return input_error(fmt::format("{}: packed in a way that is not known (known are gzip, xz, zstd and lz4)", name));
}

}  // namespace xensim::pc
