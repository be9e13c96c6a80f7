// The hypercall page: the MSR by which a guest asks for it, and its contents.
#pragma once

#include <cstdint>
#include <optional>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

inline constexpr uint32_t kHypercallMsr = 0x40000000;  // CPUID leaf 0x40000002, EBX

// Writes the hypercall stubs into the page that `value` names (bits 11:0, the index of the page, must be 0). false:
// #GP(0): another MSR, another index, or no RAM there. The caller latches the layout before (clock.h, latch_abi).
bool write_hypercall_msr(Entry& entry, Vcpu& vcpu, uint32_t msr, uint64_t value);
// 0 for the hypercall MSR, which is write-only; nullopt: #GP(0).
std::optional<uint64_t> read_hypercall_msr(Entry& entry, Vcpu& vcpu, uint32_t msr);

}  // namespace xensim::xen
