// ObjectIndex: small numbers for objects, in the order in which they were first seen. Open addressing: a look costs
// one cache line most times, and nothing is ever taken out.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/explore/search/digest.h"

namespace xensim::sim {

class ObjectIndex {
 public:
  uint32_t slot_of(uint64_t object) {
    if (2 * (size_ + 1) > cells_.size()) grow();
    Cell& cell = find(object);
    if (cell.object == 0) cell = {object, size_++};
    return cell.slot;
  }

 private:
  struct Cell {
    uint64_t object = 0;  // 0: free
    uint32_t slot = 0;
  };

  Cell& find(uint64_t object) {
    size_t at = mix(object) & (cells_.size() - 1);
    while (cells_[at].object != 0 && cells_[at].object != object) at = (at + 1) & (cells_.size() - 1);
    return cells_[at];
  }

  void grow() {
    std::vector<Cell> old(cells_.empty() ? 64 : 2 * cells_.size());
    old.swap(cells_);
    for (const Cell& cell : old) {
      if (cell.object != 0) find(cell.object) = cell;
    }
  }

  std::vector<Cell> cells_;  // a power of two, at most half of them used
  uint32_t size_ = 0;
};

}  // namespace xensim::sim
