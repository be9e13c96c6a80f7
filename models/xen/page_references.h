// How many users each page of a domain has beside its owner's map: mappings and copies of other domains.
//
// Pages of the domain's first RAM have a counter each, touched without a lock; these come into being for a group of
// pages at a time, when one of them is first used, for most never are. Other pages share a map under a mutex that is
// never held over a call that leaves this class. No scheduling points.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "models/xen/state/fields_of.h"

namespace xensim::xen {

class PageReferences {
 public:
  // Before any other call: pages from `first_frame` on get counters of their own.
  void add_range(uint64_t first_frame, uint64_t pages);

  void take(uint64_t frame);
  // There is one to be dropped, or it is an error of ours.
  void drop(uint64_t frame);
  uint32_t count(uint64_t frame) const;
  bool contains(uint64_t frame) const { return count(frame) != 0; }
  bool any() const;
  // Of all frames together, while nobody is inside the core.
  uint64_t total() const;

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  static constexpr uint64_t kGroup = 64;
  using Group = std::array<std::atomic<uint32_t>, kGroup>;
  struct Range {
    uint64_t first_frame = 0;
    uint64_t pages = 0;
    std::unique_ptr<std::atomic<Group*>[]> groups;  // nullptr: none of its pages was ever used
    uint64_t group_count() const { return (pages + kGroup - 1) / kGroup; }
  };

  const Range* range_of(uint64_t frame) const;
  // nullptr: its group is not there. `frame` is in the range.
  static std::atomic<uint32_t>* counter(const Range& range, uint64_t frame) {
    const uint64_t page = frame - range.first_frame;
    Group* const group = range.groups[page / kGroup].load(std::memory_order_acquire);
    return group == nullptr ? nullptr : &(*group)[page % kGroup];
  }
  std::atomic<uint32_t>& make_counter(const Range& range, uint64_t frame);

  std::vector<Range> ranges_;
  mutable std::mutex mutex_;  // of what follows
  std::vector<std::unique_ptr<Group>> owned_;
  std::map<uint64_t, uint32_t> others_;  // by frame; none is 0
};

}  // namespace xensim::xen
