// Changes of a domain's physical-to-machine map that guests ask for. Each gives 0 or an errno.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Maps page `idx` of a space (XENMAPSPACE_shared_info, grant_table, gmfn) at `gfn`. What was there is removed, or
// covered (trait overlays_reveal); a page that was mapped elsewhere leaves a hole there, or what it covered.
int64_t map_to_physmap(HypercallContext& context, Domain& domain, uint32_t space, uint64_t idx, Gfn gfn);

// XENMAPSPACE_gmfn_foreign: page `from` of another domain at `gfn`. -EPERM unless `domain` is the host-kernel domain,
// -ESRCH, -EINVAL: no RAM there.
int64_t map_foreign(HypercallContext& context, Domain& domain, DomId owner, Gfn from, Gfn gfn);

// A frame of another domain's that is no page of its RAM (a grant table's) at `gfn` of the caller. -EPERM: a mapping is
// in the way that cannot be replaced.
int64_t map_foreign_frame(HypercallContext& context, Domain& owner, Mfn frame, Gfn gfn);

// Takes the page at `gfn` from the domain and leaves a hole. -ENOENT: there is none; -ENXIO: it is not the domain's
// own.
int64_t remove_guest_page(HypercallContext& context, Domain& domain, Gfn gfn);

// Unmaps the page at `gfn`, which stays the domain's. -ENOENT: there is none.
int64_t unmap_guest_page(HypercallContext& context, Domain& domain, Gfn gfn);

// Gives the domain 2^order zeroed pages from `gfn` on. false: it may not have that many, or they cannot be mapped
// there; in the latter case they are the domain's all the same, as in Xen.
bool populate_extent(HypercallContext& context, Domain& domain, uint64_t gfn, uint32_t order);

}  // namespace xensim::xen
