// The argument of the sub-ops that name a list of extents of memory.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// struct xen_memory_reservation, of either width.
struct Reservation {
  uint64_t extents = 0;  // guest address of the list of gfns; 0: none
  uint64_t count = 0;
  uint32_t order = 0;
  uint32_t flags = 0;
  uint16_t domid = 0;
};

// The struct at `at`, in the caller's width. false: -EFAULT.
[[nodiscard]] bool read_reservation(HypercallContext& context, Gva at, Reservation& reservation);

}  // namespace xensim::xen
