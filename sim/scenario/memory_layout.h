// Where a guest's memory lies in its physical address space.
//
// RAM goes from 0 up to kLowRamEnd and on from 4 GiB; what is between belongs to devices. A guest of Xen also has a few
// pages of the toolstack's there: ACPI tables, and the rings of xenstore and of the console.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/types.h"

namespace xensim::sim {

inline constexpr uint64_t kLowRamEnd = uint64_t{3} << 30;
inline constexpr uint64_t kHighRamBase = uint64_t{1} << 32;
inline constexpr Gpa kAcpiBase{0xfc000000};
inline constexpr uint64_t kAcpiBytes = 0x10000;
inline constexpr Gpa kSpecialPages{0xfeff8000};  // Xen's hvm_info: eight pages below the BIOS
inline constexpr uint64_t kSpecialBytes = 0x8000;
inline constexpr Gpa kStorePage{0xfeffc000};
inline constexpr Gpa kConsolePage{0xfeffd000};
// Where QEMU's Xen emulation has them (kvm-oracle, probe_hvm_op: parameters 1 and 17).
inline constexpr Gpa kQemuConsolePage{0xfeff8000};
inline constexpr Gpa kQemuStorePage{0xfeff9000};

// A piece of guest-physical memory; `offset` is its place in the guest's memory as one block (RAM first).
struct MemoryPiece {
  Gpa base;
  uint64_t bytes = 0;
  uint64_t offset = 0;
};

// `toolstack_pages`: those above too. By offset; the sum of all bytes is the block's size.
std::vector<MemoryPiece> memory_pieces(uint64_t ram_bytes, bool toolstack_pages);

}  // namespace xensim::sim
