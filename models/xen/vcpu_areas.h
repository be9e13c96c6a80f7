// Places that a guest registers for what the hypervisor tells a vCPU: vcpu_info, runstate, time.
#pragma once

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// VCPUOP_register_vcpu_info, _runstate_memory_area, _vcpu_time_memory_area for `vcpu`; arguments from the caller.
int64_t register_vcpu_info(HypercallContext& context, Vcpu& vcpu);
int64_t register_runstate_area(HypercallContext& context, Vcpu& vcpu);
int64_t register_time_area(HypercallContext& context, Vcpu& vcpu);
// VCPUOP_get_runstate_info.
int64_t get_runstate_info(HypercallContext& context, Vcpu& vcpu);

}  // namespace xensim::xen
