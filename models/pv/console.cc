// See console.h.
#include "models/pv/console.h"

#include <xen/io/console.h>

#include <algorithm>
#include <cstddef>

namespace xensim::pv {
namespace {

using Page = xencons_interface;
constexpr size_t kMostWaiting = 64 << 10;  // what is typed beyond that, to a guest that does not read, is lost
constexpr size_t kIn = offsetof(Page, in), kOut = offsetof(Page, out);

}  // namespace

Console::Console(std::span<std::byte> page, std::function<void(std::string_view)> output)
    : out_(page, kOut, sizeof Page::out, offsetof(Page, out_cons), offsetof(Page, out_prod)),
      in_(page, kIn, sizeof Page::in, offsetof(Page, in_cons), offsetof(Page, in_prod)),
      output_(std::move(output)) {}

bool Console::refill() {
  const size_t added = in_.add(waiting_).value_or(0);
  waiting_.erase(0, added);
  return added != 0;
}

bool Console::notified() {
  const auto text = out_.take(sizeof Page::out);
  if (text && !text->empty()) output_(*text);
  const bool more = refill();
  return more || (text && !text->empty());
}

bool Console::input(std::string_view bytes) {
  waiting_.append(bytes.substr(0, kMostWaiting - std::min(waiting_.size(), kMostWaiting)));
  return refill();
}

}  // namespace xensim::pv
