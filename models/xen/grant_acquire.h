// A page that a copy uses through a grant, for as long as the copy lasts.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// What a grant gives: bytes [start, start + length) of a page, which has a reference in its owner's p2m.
struct GrantedPage {
  Mfn frame{};
  Domain* owner = nullptr;
  uint32_t start = 0, length = 0;
};

// Pins grant `ref` of `granter` for a copy by `grantee`. GNTST_*; on GNTST_okay the caller gives both back: the pin by
// release_grant, then the page's reference. A transitive grant pins the one that it leads to, too.
int16_t acquire_grant(Entry& entry, Domain& granter, uint32_t ref, DomId grantee, bool readonly, GrantedPage& page);
void release_grant(Entry& entry, Domain& granter, uint32_t ref, bool readonly);

}  // namespace xensim::xen
