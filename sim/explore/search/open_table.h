// OpenTable: cells found by a key, with open addressing: a look costs one cache line most times, and nothing is ever
// taken out. Nobody walks through it: the order of its cells decides nothing.
#pragma once

#include <cstddef>
#include <vector>

namespace xensim::sim {

// A Cell has a type Key, is_free(), has(key), key(), and a static hash_of(key); made by itself it is free.
template <class Cell, size_t kFirstCells>
class OpenTable {
 public:
  using Key = typename Cell::Key;

  // The key's cell; a free one, which the caller fills, where there is none yet.
  Cell& cell_of(const Key& key) {
    if (2 * (size_ + 1) > cells_.size()) grow();
    Cell& cell = find(key);
    if (cell.is_free()) ++size_;
    return cell;
  }
  // How many keys there are.
  size_t size() const { return size_; }

 private:
  Cell& find(const Key& key) {
    size_t at = Cell::hash_of(key) & (cells_.size() - 1);
    while (!cells_[at].is_free() && !cells_[at].has(key)) at = (at + 1) & (cells_.size() - 1);
    return cells_[at];
  }

  void grow() {
    std::vector<Cell> old(cells_.empty() ? kFirstCells : 2 * cells_.size());
    old.swap(cells_);
    for (const Cell& cell : old) {
      if (!cell.is_free()) find(cell.key()) = cell;
    }
  }

  std::vector<Cell> cells_;  // a power of two, at most half of them used
  size_t size_ = 0;
};

}  // namespace xensim::sim
