// How many users each page of a domain has beside its owner's map: mappings and copies of other domains.
//
// Pages of the domain's first RAM have a counter each, touched without a lock; others share a map under a mutex that is
// never held over a call that leaves this class. No scheduling points.
#pragma once

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

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  struct Range {
    uint64_t first_frame = 0;
    uint64_t pages = 0;
    std::unique_ptr<std::atomic<uint32_t>[]> counts;
  };

  std::atomic<uint32_t>* counter(uint64_t frame) const;

  std::vector<Range> ranges_;
  mutable std::mutex mutex_;
  std::map<uint64_t, uint32_t> others_;  // by frame; none is 0
};

}  // namespace xensim::xen
