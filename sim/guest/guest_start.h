// Puts a guest into its memory as its toolstack would: image, initrd, ACPI tables, start info; and says with which
// registers its first vCPU begins.
#pragma once

#include "models/base/cpu.h"
#include "models/xen/api/flavour.h"
#include "sim/guest/guest_files.h"
#include "sim/guest/guest_memory.h"

namespace xensim::sim {

// As pc::BoardConfig has it.
uint32_t apic_id_step(const xen::Flavour& flavour);

// kInput where something does not fit.
Result<CpuRegs> place_guest(const GuestConfig& config, const xen::Flavour& flavour, const GuestFiles& files,
                            const GuestMemory& memory);

}  // namespace xensim::sim
