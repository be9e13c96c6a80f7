// How many users each page of a domain has beside its owner's map: mappings and copies of other domains.
//
// A counter a page, touched without a lock (FrameGroups says why none is needed to make them). No scheduling points.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "models/xen/frame_groups.h"
#include "models/xen/state/fields_of.h"

namespace xensim::xen {

class PageReferences {
 public:
  // `pages`: of the domain's first RAM.
  explicit PageReferences(uint64_t pages) : counts_(pages) {}

  void take(uint64_t frame) { counts_.make(frame)[index_in_group(frame)].fetch_add(1); }
  // There is one to be dropped, or it is an error of ours.
  void drop(uint64_t frame);
  uint32_t count(uint64_t frame) const {
    const auto* const group = counts_.find(frame);
    return group == nullptr ? 0 : (*group)[index_in_group(frame)].load();
  }
  bool contains(uint64_t frame) const { return count(frame) != 0; }
  bool any() const { return total() != 0; }
  // Of all frames together; of those that take one meanwhile, some.
  uint64_t total() const;

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  FrameGroups<std::array<std::atomic<uint32_t>, kFramesPerGroup>> counts_;
};

}  // namespace xensim::xen
