// A byte ring in a page that a guest shares: free-running 32-bit indexes, a power of two of bytes (Xen's io/console.h
// and io/xs_wire.h). The guest is hostile: each index is read once, and what does not fit the ring counts as broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace xensim::pv {

class RingView {
 public:
  // `bytes`, and the 4-byte indexes `producer` and `consumer`, are offsets in `page`.
  RingView(std::span<std::byte> page, size_t bytes, size_t size, size_t consumer, size_t producer)
      : page_(page), bytes_(bytes), size_(size), consumer_(consumer), producer_(producer) {}

  // Takes up to `most` bytes that the other side produced; nullopt: its indexes are broken, nothing was changed.
  std::optional<std::string> take(size_t most);
  // Adds as much of `text` as there is room for; gives how much. nullopt: broken.
  std::optional<size_t> add(std::string_view text);

 private:
  uint32_t load(size_t at) const { return __atomic_load_n(word(at), __ATOMIC_ACQUIRE); }
  void store(size_t at, uint32_t value) { __atomic_store_n(word(at), value, __ATOMIC_RELEASE); }
  uint32_t* word(size_t at) const { return reinterpret_cast<uint32_t*>(page_.data() + at); }

  std::span<std::byte> page_;
  size_t bytes_, size_, consumer_, producer_;
};

}  // namespace xensim::pv
