// GNTTABOP_copy.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// `count` structs gnttab_copy (of the caller's width) at `list`: 0 or -EFAULT; each gets its own GNTST_* status.
// Consecutive structs with the same source or destination keep it pinned between them.
int64_t copy_grants(HypercallContext& context, Gva list, uint32_t count);

}  // namespace xensim::xen
