// The hypervisor's CPUID leaves (public arch-x86/cpuid.h).
#pragma once

#include <cstdint>
#include <optional>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Leaves 0x40000000 to 0x40000005; above, up to 0x400000ff, all zero, as Xen answers. nullopt: not a hypervisor leaf.
std::optional<XenCpuidResult> xen_cpuid(Entry& entry, Vcpu& vcpu, uint32_t leaf, uint32_t subleaf);

}  // namespace xensim::xen
