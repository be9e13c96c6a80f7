// What CPUID says of the software CPU: exactly what the engine runs, a fixed table, nothing of the host.
#pragma once

#include "models/base/cpu.h"
#include "models/x86/state.h"

namespace xensim::x86 {

// The processor's own answer; APIC ids, topology, x2APIC and the hypervisor's leaves are left to the client (zero).
// Leaves outside the table are all zero.
CpuidResult native_cpuid(uint32_t leaf, uint32_t subleaf);

}  // namespace xensim::x86
