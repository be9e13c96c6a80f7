// See packed_pages.h.
#include "sim/machine/snapshot/packed_pages.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cstring>
#include <memory>

#include "models/base/check.h"
#include "models/base/types.h"
#include "sim/machine/held_pages.h"

namespace xensim::sim {

namespace {

constexpr int kLevel = 1;  // a snapshot is made once and read often, but a file of half the size is not worth seconds

struct Run {
  uint64_t first = 0, pages = 0;
};

// Collects pages and packs them, a piece at a time.
class Packer {
 public:
  void add(uint64_t number, const std::byte* page) {
    if (runs_.empty() || runs_.back().first + runs_.back().pages != number) runs_.push_back({number, 0});
    ++runs_.back().pages;
    content_.insert(content_.end(), page, page + kPageSize);
    if (content_.size() == kPagesInPiece * kPageSize) flush();
  }
  std::vector<PackedPages> finish() {
    if (!runs_.empty()) flush();
    return std::move(pieces_);
  }

 private:
  void flush() {
    const uint64_t count = runs_.size();
    const size_t table = runs_.size() * sizeof(Run);
    std::vector<std::byte> raw(sizeof count + table + content_.size());
    std::memcpy(raw.data(), &count, sizeof count);
    std::memcpy(raw.data() + sizeof count, runs_.data(), table);
    std::memcpy(raw.data() + sizeof count + table, content_.data(), content_.size());
    PackedPages piece;
    piece.raw_bytes = static_cast<uint32_t>(raw.size());
    piece.packed.resize(ZSTD_compressBound(raw.size()));
    const size_t bytes =
        ZSTD_compressCCtx(context_.get(), piece.packed.data(), piece.packed.size(), raw.data(), raw.size(), kLevel);
    XS_CHECK(ZSTD_isError(bytes) == 0);
    piece.packed.resize(bytes);
    piece.packed.shrink_to_fit();
    pieces_.push_back(std::move(piece));
    runs_.clear();
    content_.clear();
  }

  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_{ZSTD_createCCtx(), ZSTD_freeCCtx};
  std::vector<Run> runs_;
  std::vector<std::byte> content_;
  std::vector<PackedPages> pieces_;
};

// What is wrong with a piece's raw bytes; nullptr: nothing, and its pages are in `memory`.
const char* place(std::span<const std::byte> raw, std::span<std::byte> memory) {
  uint64_t count = 0;
  if (raw.size() < sizeof count) return "is too short";
  std::memcpy(&count, raw.data(), sizeof count);
  if (count > kPagesInPiece || raw.size() - sizeof count < count * sizeof(Run)) return "has more runs than bytes";
  std::span<const std::byte> content = raw.subspan(sizeof count + count * sizeof(Run));
  const uint64_t pages = memory.size() / kPageSize;
  for (uint64_t i = 0; i < count; ++i) {
    Run run;
    std::memcpy(&run, raw.data() + sizeof count + i * sizeof run, sizeof run);
    if (run.first > pages || run.pages > pages - run.first) return "has a page that the machine has not";
    const uint64_t bytes = run.pages * kPageSize;
    if (run.pages > kPagesInPiece || bytes > content.size()) return "has fewer pages than it says";
    std::memcpy(memory.data() + run.first * kPageSize, content.data(), bytes);
    content = content.subspan(bytes);
  }
  return content.empty() ? nullptr : "has more pages than it says";
}

}  // namespace

std::vector<PackedPages> pack_pages(std::span<const std::byte> memory) {
  Packer packer;
  each_held_page(memory, [&](uint64_t number, const std::byte* page) { packer.add(number, page); });
  return packer.finish();
}

Status unpack_pages(const std::vector<PackedPages>& pieces, std::span<std::byte> memory) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  std::vector<std::byte> raw(kMaxRawPiece);
  for (size_t number = 0; number < pieces.size(); ++number) {
    const PackedPages& piece = pieces[number];
    const size_t bytes =
        ZSTD_decompressDCtx(context.get(), raw.data(), raw.size(), piece.packed.data(), piece.packed.size());
    const char* wrong = ZSTD_isError(bytes) != 0 || bytes != piece.raw_bytes
                            ? "cannot be unpacked"
                            : place(std::span(raw).first(bytes), memory);
    if (wrong != nullptr) return input_error(fmt::format("memory piece {} {}", number, wrong));
  }
  return {};
}

}  // namespace xensim::sim
