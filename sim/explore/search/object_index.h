// ObjectIndex: small numbers for objects, in the order in which they were first seen.
#pragma once

#include <cstdint>

#include "sim/explore/search/digest.h"
#include "sim/explore/search/open_table.h"

namespace xensim::sim {

class ObjectIndex {
 public:
  uint32_t slot_of(uint64_t object) {
    Cell& cell = cells_.cell_of(object);
    if (cell.is_free()) cell = {object, static_cast<uint32_t>(cells_.size() - 1)};
    return cell.slot;
  }

 private:
  struct Cell {
    using Key = uint64_t;
    uint64_t object = 0;  // 0: free
    uint32_t slot = 0;

    bool is_free() const { return object == 0; }
    bool has(uint64_t wanted) const { return object == wanted; }
    uint64_t key() const { return object; }
    static uint64_t hash_of(uint64_t wanted) { return mix(wanted); }
  };

  OpenTable<Cell, 64> cells_;
};

}  // namespace xensim::sim
