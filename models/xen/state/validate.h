// What must hold of a restored state between its fields, before anything may look at it: every index that the core uses
// without a check of its own lies in its table.
#pragma once

#include "models/base/archive.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Fails the archive where something does not hold.
void validate(StateArchive& ar, const Hypervisor& hv, VirtualNs now);

}  // namespace xensim::xen
