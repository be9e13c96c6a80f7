// VCPUOP_register_runstate_phys_area and VCPUOP_register_vcpu_time_phys_area (trait physical_areas): a vCPU's areas in
// pages that are held from their registration on.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// vcpu.h of later interfaces; both take the struct of the registration by virtual address, whose `addr.p` is 64 bits
// wide.
inline constexpr uint32_t kRegisterRunstatePhysArea = 14;
inline constexpr uint32_t kRegisterVcpuTimePhysArea = 15;

int64_t register_runstate_place(HypercallContext& context, Vcpu& vcpu);
int64_t register_time_place(HypercallContext& context, Vcpu& vcpu);
// Gives the pages back, as the end of a domain and a soft reset do.
void release_places(Entry& entry, Vcpu& vcpu);

}  // namespace xensim::xen
