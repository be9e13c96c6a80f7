// What a domain's physical-to-machine map has at guest frame numbers where it is not as it was created: a tree, 6 bits
// of the number at each level, as high as the highest number needs.
//
// One writer at a time (it holds P2m::lock); lookups come from any thread at any time, take no lock and see one entry
// whole. Nodes that have become empty stay for the next entry near by. A guest may spread its pages over the whole
// space, so once half of many nodes may be empty all of these are taken out at once, for use elsewhere; a lookup that
// meets this, or a tree that grows higher, begins again. No node is freed before the domain.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "models/xen/p2m_entry.h"

namespace xensim::xen {

class P2mOverrides {
 public:
  // nullopt: as it was created. Any number may be asked.
  std::optional<P2mEntry> find(uint64_t gfn) const {
    const uint64_t word = word_at(gfn);
    return word == 0 ? std::nullopt : std::optional(unpack(word));
  }
  // `gfn` is below kMaxGfn.
  void set(uint64_t gfn, P2mEntry entry);
  void clear(uint64_t gfn);

  // For the writer: all of them in the order of numbers, and the highest number that has something else than a hole.
  std::vector<std::pair<uint64_t, P2mEntry>> all() const;
  std::optional<uint64_t> highest_page() const;
  // How many nodes the tree has now.
  size_t nodes() const { return inner_.used() + leaves_.used(); }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr unsigned kFan = 1u << kBits;

  // An entry is one word: the frame, and the type plus 1. 0: there is none.
  static constexpr unsigned kTypeBits = 3;
  static uint64_t pack(P2mEntry entry) { return entry.frame.v << kTypeBits | (static_cast<uint64_t>(entry.type) + 1); }
  static P2mEntry unpack(uint64_t word) {
    return {static_cast<PageType>((word & ((1u << kTypeBits) - 1)) - 1), Mfn{word >> kTypeBits}};
  }
  struct Leaf {
    std::array<std::atomic<uint64_t>, kFan> entries{};
  };
  // Of the level above leaves, Leaf; of the others, Node.
  struct Node {
    std::array<std::atomic<void*>, kFan> below{};
  };

  // Owns nodes of one kind; those that were given back are empty.
  template <class T>
  class Pool {
   public:
    T* take() {
      if (spare_.empty()) return owned_.emplace_back(std::make_unique<T>()).get();
      T* const node = spare_.back();
      spare_.pop_back();
      return node;
    }
    void give_back(T* node) { spare_.push_back(node); }
    size_t used() const { return owned_.size() - spare_.size(); }

   private:
    std::vector<std::unique_ptr<T>> owned_;
    std::vector<T*> spare_;
  };

  static unsigned index(uint64_t gfn, unsigned level) { return gfn >> (level * kBits) & (kFan - 1); }
  uint64_t word_at(uint64_t gfn) const;
  Leaf* leaf_of(uint64_t gfn) const;
  Leaf* make_leaf(uint64_t gfn);
  void prune();
  bool prune(void* node, unsigned level);
  // Of what is below `node`, whose numbers begin with `first`.
  void collect(const void* node, unsigned level, uint64_t first, std::vector<std::pair<uint64_t, P2mEntry>>& to) const;
  std::optional<uint64_t> highest_page(const void* node, unsigned level, uint64_t first) const;

  std::atomic<void*> root_{nullptr};  // nullptr: nothing was ever set, or nothing is left
  std::atomic<unsigned> levels_{0};   // of inner nodes; numbers of up to (levels_ + 1) * kBits bits have a place
  // Grows by 1 where nodes begin to be moved, and where that is done.
  std::atomic<uint32_t> moves_{0};
  static constexpr size_t kFewNodes = 256;
  size_t prune_at_ = kFewNodes;

  Pool<Node> inner_;
  Pool<Leaf> leaves_;
};

}  // namespace xensim::xen
