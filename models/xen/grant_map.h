// GNTTABOP_map_grant_ref and unmap_grant_ref.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// One call on an array of `count` structs at `list`: 0 or -EFAULT; each struct gets its own GNTST_* status.
int64_t map_grant_refs(HypercallContext& context, Gva list, uint32_t count);
int64_t unmap_grant_refs(HypercallContext& context, Gva list, uint32_t count);

}  // namespace xensim::xen
