// HVM parameters (HVMOP_set_param and HVMOP_get_param): which a guest may set and read, and what Xen takes as a value.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// The hypercalls' results; `at` is the guest's struct xen_hvm_param, the same in both widths.
int64_t set_hvm_param(HypercallContext& context, Gva at);
int64_t get_hvm_param(HypercallContext& context, Gva at);

}  // namespace xensim::xen
