// Domains that the toolstack destroys, and what is left of them while others still use their pages.
#pragma once

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Ends the domain for good: its vCPUs never run again, its ports are closed, what it mapped of others is given back and
// its own memory cannot be reached any more. A page that another domain has mapped, or is copying, stays what it is
// until that is over. None of its vCPUs may be inside the core: as in Xen, where they are paused first.
void destroy_domain(Entry& entry, Domain& domain);

// After a page of `domain` was given back: if the domain was destroyed and that was the last one, it is gone, its
// memory is the Platform's again, and its id means nothing.
void bury_if_unused(Entry& entry, Domain& domain);

}  // namespace xensim::xen
