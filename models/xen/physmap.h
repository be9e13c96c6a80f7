// Changes of a domain's physical-to-machine map that guests ask for.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Maps page `idx` of a space (XENMAPSPACE_shared_info, grant_table, gmfn) at `gfn`. What was there is removed; a page
// that was mapped elsewhere leaves a hole there. 0 or an errno.
int64_t map_to_physmap(HypercallContext& context, Domain& domain, uint32_t space, uint64_t idx, Gfn gfn);

// XENMAPSPACE_gmfn_foreign: another domain's page. For privileged domains alone, and they have grants: an errno always.
int64_t map_foreign(HypercallContext& context, uint16_t domid);

// Takes the page at `gfn` from the domain and leaves a hole. 0; -ENOENT: there is none; -ENXIO: it is not the domain's
// own.
int64_t remove_guest_page(HypercallContext& context, Domain& domain, Gfn gfn);

// Gives the domain a zeroed page at `gfn`. 0; -ENOMEM: it has all it may have; -EINVAL: it cannot be mapped there.
int64_t populate_guest_page(HypercallContext& context, Domain& domain, Gfn gfn);

}  // namespace xensim::xen
