// How much memory to take at once for what is unpacked: as a vector grows, all that is in it is copied.
#pragma once

#include <algorithm>
#include <cstddef>

namespace xensim::pc {

// Of `packed` bytes, as kernels come; at most `limit`.
inline size_t usual_unpacked_size(size_t packed, size_t limit) {
  constexpr size_t kUsualRatio = 8;
  return std::min(limit, packed * kUsualRatio);
}

}  // namespace xensim::pc
