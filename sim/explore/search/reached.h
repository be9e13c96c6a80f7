// Reached: for each digest that a search came to, the most preemptions that it had left there.
#pragma once

#include <cstdint>

#include "sim/explore/search/digest.h"
#include "sim/explore/search/open_table.h"

namespace xensim::sim {

class Reached {
 public:
  // Was it reached before with at least `budget` left? Notes it if not.
  bool known(const Digest& place, unsigned budget) {
    Cell& cell = cells_.cell_of(place);
    if (cell.budget > budget) return true;
    cell = {place, uint64_t{budget} + 1};
    return false;
  }

 private:
  struct Cell {
    using Key = Digest;
    Digest place;
    uint64_t budget = 0;  // the most, and 1; 0: free

    bool is_free() const { return budget == 0; }
    bool has(const Digest& wanted) const { return place == wanted; }
    const Digest& key() const { return place; }
    static uint64_t hash_of(const Digest& wanted) { return wanted.low; }
  };

  OpenTable<Cell, 1024> cells_;
};

}  // namespace xensim::sim
