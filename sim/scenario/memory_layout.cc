// See memory_layout.h.
#include "sim/scenario/memory_layout.h"

#include <algorithm>

namespace xensim::sim {

std::vector<MemoryPiece> memory_pieces(uint64_t ram_bytes, bool toolstack_pages) {
  std::vector<MemoryPiece> pieces;
  uint64_t offset = 0;
  const auto add = [&](Gpa base, uint64_t bytes) {
    if (bytes != 0) pieces.push_back({base, bytes, offset});
    offset += bytes;
  };
  const uint64_t low = std::min(ram_bytes, kLowRamEnd);
  add(Gpa{0}, low);
  add(Gpa{kHighRamBase}, ram_bytes - low);
  if (toolstack_pages) {
    add(kAcpiBase, kAcpiBytes);
    add(kSpecialPages, kSpecialBytes);
  }
  return pieces;
}

}  // namespace xensim::sim
