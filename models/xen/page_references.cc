#include "models/xen/page_references.h"

#include "models/base/check.h"

namespace xensim::xen {

void PageReferences::add_range(uint64_t first_frame, uint64_t pages) {
  ranges_.push_back({first_frame, pages, std::make_unique<std::atomic<uint32_t>[]>(pages)});
}

std::atomic<uint32_t>* PageReferences::counter(uint64_t frame) const {
  for (const Range& range : ranges_) {
    if (frame - range.first_frame < range.pages) return &range.counts[frame - range.first_frame];
  }
  return nullptr;
}

void PageReferences::take(uint64_t frame) {
  if (std::atomic<uint32_t>* const count = counter(frame)) {
    count->fetch_add(1);
    return;
  }
  const std::lock_guard guard(mutex_);
  ++others_[frame];
}

void PageReferences::drop(uint64_t frame) {
  if (std::atomic<uint32_t>* const count = counter(frame)) {
    XS_CHECK(count->fetch_sub(1) != 0);
    return;
  }
  const std::lock_guard guard(mutex_);
  const auto found = others_.find(frame);
  XS_CHECK(found != others_.end());
  if (--found->second == 0) others_.erase(found);
}

uint32_t PageReferences::count(uint64_t frame) const {
  if (const std::atomic<uint32_t>* const count = counter(frame)) return count->load();
  const std::lock_guard guard(mutex_);
  const auto found = others_.find(frame);
  return found == others_.end() ? 0 : found->second;
}

bool PageReferences::any() const {
  for (const Range& range : ranges_) {
    for (uint64_t page = 0; page < range.pages; ++page) {
      if (range.counts[page].load(std::memory_order_relaxed) != 0) return true;
    }
  }
  const std::lock_guard guard(mutex_);
  return !others_.empty();
}

}  // namespace xensim::xen
