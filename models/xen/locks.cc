#include "models/xen/locks.h"

namespace xensim::xen {

void HeldLocks::remove_inner(uint64_t order) {
  unsigned at = count_;
  while (at > 0 && orders_[at - 1] != order) --at;
  XS_CHECK(at > 0);
  for (; at < count_; ++at) orders_[at - 1] = orders_[at];
  --count_;
}

}  // namespace xensim::xen
