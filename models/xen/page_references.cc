#include "models/xen/page_references.h"

#include "models/base/check.h"

namespace xensim::xen {

void PageReferences::drop(uint64_t frame) {
  auto* const group = counts_.find(frame);
  XS_CHECK(group != nullptr && (*group)[index_in_group(frame)].fetch_sub(1) != 0);
}

uint64_t PageReferences::total() const {
  uint64_t total = 0;
  counts_.for_each([&](uint64_t, const auto& group) {
    for (const std::atomic<uint32_t>& count : group) total += count.load();
  });
  return total;
}

}  // namespace xensim::xen
