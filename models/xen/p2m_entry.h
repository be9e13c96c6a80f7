// What lies at one guest frame number.
#pragma once

#include <cstdint>

#include "models/base/types.h"

namespace xensim::xen {

// As wide as the frame beside it: an entry goes in two registers, and a narrow type would be put together in memory
// for the first (maybe.h says what that costs).
enum class PageType : uint64_t {
  kHole,
  kRam,      // the domain's own page: RAM, shared_info or a frame of its grant table
  kGrantRw,  // a page mapped through a grant
  kGrantRo,
  kForeign,  // another domain's page, which a privileged domain mapped
};

struct P2mEntry {
  PageType type = PageType::kHole;
  Mfn frame;  // meaningless for a hole

  bool is_ram() const { return type == PageType::kRam; }
  bool is_hole() const { return type == PageType::kHole; }
  bool is_grant() const { return type == PageType::kGrantRw || type == PageType::kGrantRo; }
  bool is_foreign() const { return type == PageType::kForeign; }
  friend bool operator==(const P2mEntry&, const P2mEntry&) = default;
};

// Frame numbers from here on do not exist (4-level map; measured on Xen 4.17: -ENOENT).
inline constexpr uint64_t kMaxGfn = uint64_t{1} << 36;

}  // namespace xensim::xen
