// See lz4_legacy.h.
#include "models/pc/load/lz4_legacy.h"

#include <fmt/format.h>
#include <lz4.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "models/pc/load/unpacked_size.h"

namespace xensim::pc {
namespace {

constexpr size_t kMagicBytes = 4;
constexpr size_t kBlockContent = 8 << 20;
constexpr size_t kLargestBlock = kBlockContent + kBlockContent / 255 + 16;  // what does not compress grows so much

// Appends what the block unpacks to; false: it is damaged. No match goes back beyond its block.
bool unpack_block(std::span<const std::byte> block, std::vector<std::byte>& out) {
  const size_t before = out.size();
  out.resize(before + kBlockContent);
  const int unpacked =
      LZ4_decompress_safe(reinterpret_cast<const char*>(block.data()), reinterpret_cast<char*>(out.data() + before),
                          static_cast<int>(block.size()), static_cast<int>(kBlockContent));
  out.resize(before + static_cast<size_t>(std::max(unpacked, 0)));
  return unpacked >= 0;
}

}  // namespace

Result<std::vector<std::byte>> unpack_lz4_legacy(const std::string& name, std::span<const std::byte> packed,
                                                 size_t limit) {
  std::vector<std::byte> content;
  content.reserve(usual_unpacked_size(packed.size(), limit + kBlockContent));
  std::span<const std::byte> rest = packed.subspan(std::min(kMagicBytes, packed.size()));
  while (rest.size() > sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, rest.data(), sizeof size);
    rest = rest.subspan(sizeof size);
    if (size > kLargestBlock && !content.empty()) return content;
    if (size > std::min(rest.size(), kLargestBlock) || !unpack_block(rest.first(size), content)) {
      return input_error(fmt::format("{}: the lz4 data is damaged or ends early", name));
    }
    if (content.size() > limit) return input_error(fmt::format("{}: unpacks to more than {} MiB", name, limit >> 20));
    rest = rest.subspan(size);
  }
  if (content.empty()) return input_error(fmt::format("{}: the lz4 data is damaged or ends early", name));
  return content;
}

}  // namespace xensim::pc
