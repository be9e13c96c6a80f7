// Puts a guest into its memory as its toolstack would: image, initrd, ACPI tables, start info; and says with which
// registers its first vCPU begins.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "sim/soft/guest_files.h"

namespace xensim::sim {

// The guest's memory: `low` is its RAM from address 0 on; `at` gives the bytes of any piece, by its first address.
struct GuestMemory {
  std::span<std::byte> low;
  std::function<std::span<std::byte>(Gpa, uint64_t)> at;
};

// kInput where something does not fit. `apic_id_step` as pc::BoardConfig's.
Result<CpuRegs> place_guest(const GuestConfig& config, const GuestFiles& files, uint32_t apic_id_step,
                            const GuestMemory& memory);

}  // namespace xensim::sim
