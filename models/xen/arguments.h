// A hypercall's argument struct, read once.
#pragma once

#include <optional>

#include "models/xen/guest_access.h"

namespace xensim::xen {

// The struct at `from`, of the calling vCPU; nullopt: -EFAULT.
template <class T>
std::optional<T> read_argument(HypercallContext& context, Gva from) {
  std::optional<T> value(std::in_place);
  if (!read_guest(context, from, *value)) value.reset();
  return value;
}

}  // namespace xensim::xen
