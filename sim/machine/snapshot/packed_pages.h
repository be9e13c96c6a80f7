// The machine's memory in a snapshot: pages that are not all zero, in packed pieces of about a megabyte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/base/result.h"

namespace xensim::sim {

// A zstd frame of: a count of runs (8 bytes), first page and pages of each run (8 bytes each), the pages.
struct PackedPages {
  uint32_t raw_bytes = 0;
  std::vector<std::byte> packed;
};

// Pages in one piece, at most; and so its raw bytes.
inline constexpr uint64_t kPagesInPiece = 256;
inline constexpr uint32_t kMaxRawPiece = 8 + kPagesInPiece * (16 + 4096);

std::vector<PackedPages> pack_pages(std::span<const std::byte> memory);
// Puts the pages into `memory`, which is zero elsewhere. kInput: a piece is none, or has a page that `memory` has not;
// names the piece by its number.
Status unpack_pages(const std::vector<PackedPages>& pieces, std::span<std::byte> memory);

}  // namespace xensim::sim
