// See lz4_legacy.h.
#include "models/pc/load/lz4_legacy.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <optional>

#include "models/pc/load/unpacked_size.h"

namespace xensim::pc {
namespace {

constexpr size_t kMagicBytes = 4;
constexpr size_t kBlockContent = 8 << 20;
constexpr size_t kLargestBlock = kBlockContent + kBlockContent / 255 + 16;  // what does not compress grows so much
constexpr size_t kShortestMatch = 4;

// Reads one block's sequences; each read says whether the bytes were there.
class BlockReader {
 public:
  explicit BlockReader(std::span<const std::byte> block) : rest_(block) {}

  bool done() const { return rest_.empty(); }
  std::optional<uint8_t> byte() {
    if (rest_.empty()) return std::nullopt;
    const auto value = static_cast<uint8_t>(rest_[0]);
    rest_ = rest_.subspan(1);
    return value;
  }
  // A length of four bits, where 15 says that bytes follow, up to the first that is not 255.
  std::optional<size_t> length(unsigned nibble) {
    size_t length = nibble;
    if (nibble != 15) return length;
    while (const auto more = byte()) {
      length += *more;
      if (*more != 255) return length;
    }
    return std::nullopt;
  }
  std::optional<std::span<const std::byte>> take(size_t bytes) {
    if (bytes > rest_.size()) return std::nullopt;
    const auto taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }

 private:
  std::span<const std::byte> rest_;
};

// A match may overlap what it makes.
bool copy_match(std::vector<std::byte>& out, size_t block_begin, size_t offset, size_t length) {
  if (offset == 0 || offset > out.size() - block_begin) return false;
  if (length > kBlockContent - (out.size() - block_begin)) return false;
  const size_t at = out.size();
  out.resize(at + length);
  std::byte* const to = out.data() + at;
  const std::byte* const from = to - offset;
  if (offset >= length) {
    std::memcpy(to, from, length);
  } else {
    for (size_t i = 0; i < length; ++i) to[i] = from[i];
  }
  return true;
}

bool unpack_block(std::span<const std::byte> block, std::vector<std::byte>& out) {
  const size_t begin = out.size();
  BlockReader reader(block);
  while (!reader.done()) {
    const uint8_t token = *reader.byte();
    const auto literals = reader.length(token >> 4);
    if (!literals || *literals > kBlockContent - (out.size() - begin)) return false;
    const auto bytes = reader.take(*literals);
    if (!bytes) return false;
    out.insert(out.end(), bytes->begin(), bytes->end());
    if (reader.done()) return true;  // the last sequence has no match
    const auto low = reader.byte();
    const auto high = reader.byte();
    const auto length = low && high ? reader.length(token & 15) : std::nullopt;
    if (!length || !copy_match(out, begin, *low | size_t{*high} << 8, *length + kShortestMatch)) return false;
  }
  return false;
}

}  // namespace

Result<std::vector<std::byte>> unpack_lz4_legacy(const std::string& name, std::span<const std::byte> packed,
                                                 size_t limit) {
  std::vector<std::byte> content;
  content.reserve(usual_unpacked_size(packed.size(), limit));
  std::span<const std::byte> rest = packed.subspan(std::min(kMagicBytes, packed.size()));
  while (rest.size() > sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, rest.data(), sizeof size);
    rest = rest.subspan(sizeof size);
    if (size > kLargestBlock && !content.empty()) return content;
    if (size > rest.size() || !unpack_block(rest.first(size), content)) {
      return input_error(fmt::format("{}: the lz4 data is damaged or ends early", name));
    }
    if (content.size() > limit) return input_error(fmt::format("{}: unpacks to more than {} MiB", name, limit >> 20));
    rest = rest.subspan(size);
  }
  if (content.empty()) return input_error(fmt::format("{}: the lz4 data is damaged or ends early", name));
  return content;
}

}  // namespace xensim::pc
