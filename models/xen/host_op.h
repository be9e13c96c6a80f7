// The host kernel's side of the ABI for backends outside any guest: grants by (domain, reference), events by port.
#pragma once

#include "models/xen/api/core_api.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

HostResult do_host_op(Entry& entry, const HostOp& op);

}  // namespace xensim::xen
