// See guest_start.h.
#include "sim/guest/guest_start.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/pc/acpi/acpi_tables.h"
#include "models/pc/load/linux_boot.h"
#include "sim/scenario/memory_layout.h"

namespace xensim::sim {

namespace {

constexpr uint32_t kRam = 1, kReserved = 2, kAcpi = 3;  // memory map types, of E820 and of the PVH start info

std::vector<pc::MemoryRegion> memory_map(const GuestConfig& config) {
  std::vector<pc::MemoryRegion> map;
  for (const MemoryPiece& piece : memory_pieces(config.memory_bytes, true)) {
    const uint32_t type = piece.base == kAcpiBase ? kAcpi : piece.base == kSpecialPages ? kReserved : kRam;
    map.push_back({piece.base, piece.bytes, type});
  }
  std::sort(map.begin(), map.end(), [](const auto& a, const auto& b) { return a.base < b.base; });
  return map;
}

Gpa place_acpi(const GuestConfig& config, const xen::Flavour& flavour, const GuestMemory& memory) {
  const pc::AcpiTables tables = pc::make_acpi_tables({.at = kAcpiBase,
                                                      .vcpus = config.vcpus,
                                                      .apic_id_step = apic_id_step(flavour),
                                                      .pc = config.platform == GuestPlatform::kPc});
  XS_CHECK(tables.bytes.size() <= kAcpiBytes);
  std::copy(tables.bytes.begin(), tables.bytes.end(), memory.at(kAcpiBase, kAcpiBytes).begin());
  return tables.rsdp;
}

// The legacy area below 1 MiB is no RAM on a PC.
std::vector<pc::MemoryRegion> pc_memory_map(const GuestConfig& config) {
  constexpr uint64_t kLegacy = 0xa0000, kLegacyEnd = 0x100000;
  std::vector<pc::MemoryRegion> map = memory_map(config);
  const uint64_t low = map.front().bytes;
  map.front().bytes = kLegacy;
  map.insert(map.begin() + 1,
             {{Gpa{kLegacy}, kLegacyEnd - kLegacy, kReserved}, {Gpa{kLegacyEnd}, low - kLegacyEnd, kRam}});
  return map;
}

Result<CpuRegs> place_pc_guest(const GuestConfig& config, const xen::Flavour& flavour, const GuestFiles& files,
                               const GuestMemory& memory) {
  if (!files.bzimage) return input_error(config.image + ": platform pc boots a bzImage; this is an ELF (platform pvh)");
  pc::LinuxBootOptions options;
  options.command_line = config.cmdline;
  options.initrd = files.initrd;
  options.memory_map = pc_memory_map(config);
  options.rsdp = place_acpi(config, flavour, memory);
  return pc::prepare_linux_boot(config.image, *files.bzimage, files.kernel, options, memory.low());
}

}  // namespace

uint32_t apic_id_step(const xen::Flavour& flavour) { return flavour.apic_id_is_vcpu ? 1 : 2; }

Result<CpuRegs> place_guest(const GuestConfig& config, const xen::Flavour& flavour, const GuestFiles& files,
                            const GuestMemory& memory) {
  if (config.platform == GuestPlatform::kPc) return place_pc_guest(config, flavour, files, memory);
  XS_TRY_STATUS(pc::load_pvh_image(files.image, files.elf, memory.low()));
  pc::PvhStartOptions options;
  options.command_line = config.cmdline;
  if (!files.initrd.empty()) options.modules.push_back({files.initrd, ""});
  if (config.platform != GuestPlatform::kBare) {
    options.memory_map = memory_map(config);
    options.rsdp = place_acpi(config, flavour, memory);
  }
  XS_TRY(const auto start, pc::prepare_pvh_start(files.image, options, memory.low()));
  return start.regs;
}

}  // namespace xensim::sim
