// The 64-bit Linux boot protocol (Linux, Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"): a bzImage as it is,
// entered at its 64-bit entry, in long mode with an identity map.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "models/base/cpu.h"
#include "models/pc/load/bzimage.h"
#include "models/pc/load/pvh_loader.h"

namespace xensim::pc {

struct LinuxBootOptions {
  std::string command_line;
  std::span<const std::byte> initrd;
  std::vector<MemoryRegion> memory_map;  // by address
  Gpa rsdp;
};

// Puts kernel, boot parameters, page tables and initrd into `ram`, the guest's memory from address 0, and gives the
// registers of the first vCPU. kInput where something does not fit. Same input, same bytes.
Result<CpuRegs> prepare_linux_boot(const std::string& name, const BzImage& image, std::span<const std::byte> file,
                                   const LinuxBootOptions& options, std::span<std::byte> ram);

}  // namespace xensim::pc
