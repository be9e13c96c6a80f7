// Reached: for each digest that a search came to, the most preemptions that it had left there. Open addressing, and
// nobody walks through it: the order of its cells decides nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/explore/search/digest.h"

namespace xensim::sim {

class Reached {
 public:
  // Was it reached before with at least `budget` left? Notes it if not.
  bool known(const Digest& place, unsigned budget) {
    if (2 * (size_ + 1) > cells_.size()) grow();
    Cell& cell = find(place);
    if (cell.budget > budget) return true;
    if (cell.budget == 0) ++size_;
    cell = {place, uint64_t{budget} + 1};
    return false;
  }

 private:
  struct Cell {
    Digest place;
    uint64_t budget = 0;  // the most, and 1; 0: free
  };

  Cell& find(const Digest& place) {
    size_t at = place.low & (cells_.size() - 1);
    while (cells_[at].budget != 0 && !(cells_[at].place == place)) at = (at + 1) & (cells_.size() - 1);
    return cells_[at];
  }

  void grow() {
    std::vector<Cell> old(cells_.empty() ? 1024 : 2 * cells_.size());
    old.swap(cells_);
    for (const Cell& cell : old) {
      if (cell.budget != 0) find(cell.place) = cell;
    }
  }

  std::vector<Cell> cells_;  // a power of two, at most half of them used
  size_t size_ = 0;
};

}  // namespace xensim::sim
