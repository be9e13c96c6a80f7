// A guest's memory: one block of the host's, of which the guest has pieces at its own addresses. A value; the block
// outlives it.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "sim/scenario/memory_layout.h"

namespace xensim::sim {

class GuestMemory {
 public:
  // All pieces lie in the block; the first is the RAM from address 0 on.
  GuestMemory(std::span<std::byte> block, std::vector<MemoryPiece> pieces)
      : block_(block), pieces_(std::move(pieces)) {}

  // The bytes at a guest-physical address; empty where they are not in one piece.
  std::span<std::byte> at(Gpa gpa, uint64_t bytes) const {
    for (const MemoryPiece& piece : pieces_) {
      if (gpa < piece.base || gpa.v - piece.base.v >= piece.bytes) continue;
      const uint64_t offset = gpa.v - piece.base.v;
      if (bytes > piece.bytes - offset) return {};
      return block_.subspan(piece.offset + offset, bytes);
    }
    return {};
  }
  std::span<std::byte> low() const { return block_.first(pieces_.front().bytes); }
  const std::vector<MemoryPiece>& pieces() const { return pieces_; }

 private:
  std::span<std::byte> block_;
  std::vector<MemoryPiece> pieces_;
};

}  // namespace xensim::sim
