// GNTTABOP_set_version: the switch between the two layouts of a grant table.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// 0, or -EBUSY: an entry other than the reserved ones is in use; -EAGAIN: a copy that needs version 2 is under way;
// -ERANGE: a reserved entry cannot be said in version 1. The reserved entries keep their meaning, all others are gone.
int64_t change_grant_version(Entry& entry, Domain& domain, uint32_t version);

}  // namespace xensim::xen
