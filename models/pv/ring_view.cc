// See ring_view.h.
#include "models/pv/ring_view.h"

#include <algorithm>

namespace xensim::pv {

std::optional<std::string> RingView::take(size_t most) {
  const uint32_t consumer = load(consumer_);
  const uint32_t waiting = load(producer_) - consumer;
  if (waiting > size_) return std::nullopt;
  std::string text(std::min<size_t>(waiting, most), '\0');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(page_[bytes_ + ((consumer + i) & (size_ - 1))]);
  }
  store(consumer_, consumer + static_cast<uint32_t>(text.size()));
  return text;
}

std::optional<size_t> RingView::add(std::string_view text) {
  const uint32_t producer = load(producer_);
  const uint32_t used = producer - load(consumer_);
  if (used > size_) return std::nullopt;
  const size_t count = std::min(text.size(), size_ - used);
  for (size_t i = 0; i < count; ++i) {
    page_[bytes_ + ((producer + i) & (size_ - 1))] = static_cast<std::byte>(text[i]);
  }
  store(producer_, producer + static_cast<uint32_t>(count));
  return count;
}

}  // namespace xensim::pv
