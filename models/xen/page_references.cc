#include "models/xen/page_references.h"

#include <algorithm>

#include "models/base/check.h"

namespace xensim::xen {

void PageReferences::add_range(uint64_t first_frame, uint64_t pages) {
  Range& range = ranges_.emplace_back(Range{first_frame, pages, nullptr});
  range.groups = std::make_unique<std::atomic<Group*>[]>(range.group_count());
}

const PageReferences::Range* PageReferences::range_of(uint64_t frame) const {
  for (const Range& range : ranges_) {
    if (frame - range.first_frame < range.pages) return &range;
  }
  return nullptr;
}

std::atomic<uint32_t>& PageReferences::make_counter(const Range& range, uint64_t frame) {
  const uint64_t page = frame - range.first_frame;
  std::atomic<Group*>& place = range.groups[page / kGroup];
  const std::lock_guard guard(mutex_);
  Group* group = place.load(std::memory_order_relaxed);
  if (group == nullptr) {
    group = owned_.emplace_back(std::make_unique<Group>()).get();
    place.store(group, std::memory_order_release);
  }
  return (*group)[page % kGroup];
}

void PageReferences::take(uint64_t frame) {
  if (const Range* const range = range_of(frame)) {
    std::atomic<uint32_t>* const count = counter(*range, frame);
    (count != nullptr ? *count : make_counter(*range, frame)).fetch_add(1);
    return;
  }
  const std::lock_guard guard(mutex_);
  ++others_[frame];
}

void PageReferences::drop(uint64_t frame) {
  if (const Range* const range = range_of(frame)) {
    std::atomic<uint32_t>* const count = counter(*range, frame);
    XS_CHECK(count != nullptr && count->fetch_sub(1) != 0);
    return;
  }
  const std::lock_guard guard(mutex_);
  const auto found = others_.find(frame);
  XS_CHECK(found != others_.end());
  if (--found->second == 0) others_.erase(found);
}

uint32_t PageReferences::count(uint64_t frame) const {
  if (const Range* const range = range_of(frame)) {
    const std::atomic<uint32_t>* const count = counter(*range, frame);
    return count == nullptr ? 0 : count->load();
  }
  const std::lock_guard guard(mutex_);
  const auto found = others_.find(frame);
  return found == others_.end() ? 0 : found->second;
}

bool PageReferences::any() const {
  const std::lock_guard guard(mutex_);
  if (!others_.empty()) return true;
  return std::any_of(owned_.begin(), owned_.end(), [](const std::unique_ptr<Group>& group) {
    return std::any_of(group->begin(), group->end(),
                       [](const std::atomic<uint32_t>& count) { return count.load(std::memory_order_relaxed) != 0; });
  });
}

uint64_t PageReferences::total() const {
  const std::lock_guard guard(mutex_);
  uint64_t total = 0;
  for (const auto& [frame, count] : others_) total += count;
  for (const std::unique_ptr<Group>& group : owned_) {
    for (const std::atomic<uint32_t>& count : *group) total += count.load();
  }
  return total;
}

}  // namespace xensim::xen
