// The balance of grants over all domains: what is pinned is what is mapped, and what is mapped is referenced.
#pragma once

#include <string>
#include <vector>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// A line for each broken invariant, while nobody is inside the core: each pin of each entry has its handle in some
// maptrack table, each handle its pin, each page as many references as it is mapped, or more where there is a
// privileged domain, which may map it without a grant.
void audit_grants(const Hypervisor& hv, std::vector<std::string>& broken);

}  // namespace xensim::xen
