// Guests of the PVH boot ABI: any ELF, 32- or 64-bit, with the note XEN_ELFNOTE_PHYS32_ENTRY (Xen's
// docs/misc/pvh.pandoc, elfnote.h, arch-x86/hvm/start_info.h). The file is hostile; every refusal is one line with file
// and offset or field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/base/cpu.h"
#include "models/base/result.h"
#include "models/base/types.h"
#include "models/pc/load/symbol_table.h"

namespace xensim::pc {

// Bytes [file_offset, file_offset + file_bytes) of the file go to `gpa`; zeros follow up to memory_bytes.
struct PvhSegment {
  Gpa gpa;
  uint64_t file_offset = 0;
  uint64_t file_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t header_offset = 0;  // of its program header, for messages
};

// One record of the section .xensim_points: a place where the guest's kit touches shared memory (architecture.md).
struct GuestPoint {
  Gva address;
  std::string name;
  friend bool operator==(const GuestPoint&, const GuestPoint&) = default;
};

struct PvhImage {
  std::string name;                  // of the file
  uint64_t hash = 0;                 // XXH3, 64 bits, of the whole file
  unsigned bits = 0;                 // the ELF's class: 32 or 64
  Gpa entry;                         // inside a segment
  std::vector<PvhSegment> segments;  // by address; they do not overlap
  Gpa begin, end;                    // all segments lie in [begin, end)
  SymbolTable symbols;               // by the ELF's virtual addresses
  std::vector<GuestPoint> points;    // in the section's order; empty where there is none
};

// Reads and checks a file. Whether it fits the guest's memory is load_pvh_image's to say.
Result<PvhImage> read_pvh_image(std::string name, std::span<const std::byte> file);

// Copies the segments into `ram`, which is the guest's memory from address 0. `file` is what read_pvh_image was given.
Status load_pvh_image(const PvhImage& image, std::span<const std::byte> file, std::span<std::byte> ram);

struct MemoryRegion {
  Gpa base;
  uint64_t bytes = 0;
  uint32_t type = 1;  // XEN_HVM_MEMMAP_TYPE_*; 1 is RAM
};

struct PvhModule {
  std::span<const std::byte> bytes;
  std::string command_line;
};

struct PvhStartOptions {
  std::string command_line;
  std::vector<PvhModule> modules;
  std::vector<MemoryRegion> memory_map;  // empty: all of the RAM, one region
  Gpa rsdp;                              // 0: no ACPI tables
};

struct PvhStart {
  CpuRegs regs;  // vCPU 0 at the entry: 32-bit protected mode, no paging, EBX = start_info
  Gpa start_info;
  Gpa end;  // modules and start info lie between the image's end and here
};

// Puts modules, start info (version 1), memory map and command lines into `ram` (from address 0) behind the image,
// below 4 GiB, and gives the registers of the first vCPU. An error where they do not fit. Same input, same bytes.
Result<PvhStart> prepare_pvh_start(const PvhImage& image, const PvhStartOptions& options, std::span<std::byte> ram);

}  // namespace xensim::pc
