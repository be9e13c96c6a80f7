#include "models/xen/p2m_overrides.h"

#include <algorithm>

#include "models/base/check.h"

namespace xensim::xen {

P2mOverrides::Leaf* P2mOverrides::leaf_of(uint64_t gfn) const {
  const unsigned levels = levels_.load(std::memory_order_acquire);
  if (gfn >> ((levels + 1) * kBits) != 0) return nullptr;
  void* node = root_.load(std::memory_order_acquire);
  for (unsigned level = levels; level > 0 && node != nullptr; --level) {
    node = static_cast<const Node*>(node)->below[index(gfn, level)].load(std::memory_order_acquire);
  }
  return static_cast<Leaf*>(node);
}

uint64_t P2mOverrides::word_at(uint64_t gfn) const {
  for (;;) {
    const uint32_t moves = moves_.load(std::memory_order_acquire);
    // The writer alone moves nodes, and looks at none meanwhile: on one thread this is never odd.
    if (moves % 2 != 0) continue;
    const Leaf* const leaf = leaf_of(gfn);
    const uint64_t word = leaf == nullptr ? 0 : leaf->entries[index(gfn, 0)].load(std::memory_order_acquire);
    if (moves_.load(std::memory_order_acquire) != moves) continue;
    return word;
  }
}

void P2mOverrides::set(uint64_t gfn, P2mEntry entry) {
  XS_CHECK(gfn < kMaxGfn);
  Leaf* leaf = leaf_of(gfn);
  if (leaf == nullptr) leaf = make_leaf(gfn);
  leaf->entries[index(gfn, 0)].store(pack(entry), std::memory_order_release);
}

void P2mOverrides::clear(uint64_t gfn) {
  Leaf* const leaf = leaf_of(gfn);
  if (leaf != nullptr) leaf->entries[index(gfn, 0)].store(0, std::memory_order_release);
}

P2mOverrides::Leaf* P2mOverrides::make_leaf(uint64_t gfn) {
  if (nodes() >= prune_at_) prune();
  unsigned levels = levels_.load(std::memory_order_relaxed);
  void* top = root_.load(std::memory_order_relaxed);
  if (gfn >> ((levels + 1) * kBits) != 0) {
    moves_.fetch_add(1);
    while (gfn >> ((levels + 1) * kBits) != 0) {
      if (top != nullptr) {
        Node* const above = inner_.take();
        above->below[0].store(top, std::memory_order_release);
        top = above;
      }
      ++levels;
    }
    levels_.store(levels, std::memory_order_release);
    root_.store(top, std::memory_order_release);
    moves_.fetch_add(1);
  }
  std::atomic<void*>* place = &root_;
  for (unsigned level = levels; level > 0; --level) {
    void* node = place->load(std::memory_order_relaxed);
    if (node == nullptr) {
      node = inner_.take();
      place->store(node, std::memory_order_release);
    }
    place = &static_cast<Node*>(node)->below[index(gfn, level)];
  }
  Leaf* const leaf = leaves_.take();
  place->store(leaf, std::memory_order_release);
  return leaf;
}

void P2mOverrides::prune() {
  moves_.fetch_add(1);
  void* const root = root_.load(std::memory_order_relaxed);
  if (root != nullptr && prune(root, levels_.load(std::memory_order_relaxed))) {
    root_.store(nullptr, std::memory_order_release);
  }
  moves_.fetch_add(1);
  prune_at_ = std::max(kFewNodes, 2 * nodes());
}

// Gives back what is empty below `node`, and itself if nothing is left of it.
bool P2mOverrides::prune(void* node, unsigned level) {
  if (level == 0) {
    auto* const leaf = static_cast<Leaf*>(node);
    for (const std::atomic<uint64_t>& entry : leaf->entries) {
      if (entry.load(std::memory_order_relaxed) != 0) return false;
    }
    leaves_.give_back(leaf);
    return true;
  }
  bool empty = true;
  auto* const inner = static_cast<Node*>(node);
  for (std::atomic<void*>& place : inner->below) {
    void* const below = place.load(std::memory_order_relaxed);
    if (below == nullptr) continue;
    if (prune(below, level - 1)) {
      place.store(nullptr, std::memory_order_release);
    } else {
      empty = false;
    }
  }
  if (empty) inner_.give_back(inner);
  return empty;
}

void P2mOverrides::collect(const void* node, unsigned level, uint64_t first,
                           std::vector<std::pair<uint64_t, P2mEntry>>& to) const {
  if (node == nullptr) return;
  if (level > 0) {
    const auto* const inner = static_cast<const Node*>(node);
    for (unsigned i = 0; i < kFan; ++i) {
      collect(inner->below[i].load(std::memory_order_relaxed), level - 1, first | uint64_t{i} << (level * kBits), to);
    }
    return;
  }
  const auto* const leaf = static_cast<const Leaf*>(node);
  for (unsigned i = 0; i < kFan; ++i) {
    const uint64_t word = leaf->entries[i].load(std::memory_order_relaxed);
    if (word != 0) to.emplace_back(first | i, unpack(word));
  }
}

std::vector<std::pair<uint64_t, P2mEntry>> P2mOverrides::all() const {
  std::vector<std::pair<uint64_t, P2mEntry>> entries;
  collect(root_.load(std::memory_order_relaxed), levels_.load(std::memory_order_relaxed), 0, entries);
  return entries;
}

std::optional<uint64_t> P2mOverrides::highest_page(const void* node, unsigned level, uint64_t first) const {
  if (node == nullptr) return std::nullopt;
  for (unsigned i = kFan; i-- > 0;) {
    const uint64_t from = first | uint64_t{i} << (level * kBits);
    if (level == 0) {
      const uint64_t word = static_cast<const Leaf*>(node)->entries[i].load(std::memory_order_relaxed);
      if (word != 0 && !unpack(word).is_hole()) return from;
    } else {
      const void* const below = static_cast<const Node*>(node)->below[i].load(std::memory_order_relaxed);
      if (const std::optional<uint64_t> found = highest_page(below, level - 1, from)) return found;
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> P2mOverrides::highest_page() const {
  return highest_page(root_.load(std::memory_order_relaxed), levels_.load(std::memory_order_relaxed), 0);
}

}  // namespace xensim::xen
