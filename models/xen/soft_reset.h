// SHUTDOWN_soft_reset, the toolstack's part: a domain that asked for it runs on, without what it had of the hypervisor.
#pragma once

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Closes every event channel and takes the toolstack's own two again; forgets runstate areas, and the vcpu_infos that
// were registered; puts a fresh page where shared_info was mapped, which is then mapped nowhere; and lets the vCPUs run
// on. What Xen leaves: HVM parameters, timers and watchdogs, the grant table and what is mapped through it, vm_assist,
// the layout that is latched, secondary time areas where shared_info was not mapped, and all memory. Trait
// soft_reset_clears_more: callbacks, singleshot timers, grants and time areas go too.
// 0; -EINVAL: the domain is not shut down for a soft reset. No vCPU of it may be inside the core.
int64_t soft_reset(Entry& entry, Domain& domain);

}  // namespace xensim::xen
