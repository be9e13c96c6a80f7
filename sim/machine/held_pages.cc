// See held_pages.h.
#include "sim/machine/held_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "models/base/types.h"

namespace xensim::sim {

namespace {

bool is_zero(const std::byte* page) {
  return page[0] == std::byte{0} && std::memcmp(page, page + 1, kPageSize - 1) == 0;
}

// Which pages of this process the host holds, in memory or swapped out (Linux, Documentation/admin-guide/mm/
// pagemap.rst). It only saves looking at untouched ones: where it cannot be asked, all count as held.
class PageMap {
 public:
  PageMap() : descriptor_(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)) {}
  PageMap(const PageMap&) = delete;
  PageMap& operator=(const PageMap&) = delete;
  ~PageMap() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  // Fills `entries` for the pages from `first` on; a bit of kHeld set: held.
  void look(const std::byte* first, std::span<uint64_t> entries) const {
    const auto offset = static_cast<off_t>(reinterpret_cast<uintptr_t>(first) / kPageSize * sizeof(uint64_t));
    const auto bytes = static_cast<ssize_t>(entries.size_bytes());
    if (descriptor_ < 0 || pread(descriptor_, entries.data(), entries.size_bytes(), offset) != bytes) {
      std::fill(entries.begin(), entries.end(), kHeld);
    }
  }

  static constexpr uint64_t kHeld = uint64_t{3} << 62;

 private:
  int descriptor_;
};

}  // namespace

void each_held_page(std::span<const std::byte> memory,
                    const std::function<void(uint64_t number, const std::byte* page)>& visit) {
  constexpr size_t kChunk = 4096;  // pages that are asked about at once
  const PageMap map;
  std::vector<uint64_t> entries(kChunk);
  const size_t pages = memory.size() / kPageSize;
  for (size_t first = 0; first < pages; first += kChunk) {
    const size_t count = std::min(kChunk, pages - first);
    const std::byte* chunk = memory.data() + first * kPageSize;
    map.look(chunk, std::span(entries).first(count));
    for (size_t i = 0; i < count; ++i) {
      const std::byte* page = chunk + i * kPageSize;
      if ((entries[i] & PageMap::kHeld) != 0 && !is_zero(page)) visit(first + i, page);
    }
  }
}

}  // namespace xensim::sim
