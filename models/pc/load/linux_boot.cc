// See linux_boot.h.
#include "models/pc/load/linux_boot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace xensim::pc {
namespace {

// Low memory, below the kernel.
constexpr uint64_t kGdt = 0x1000, kBootParams = 0x2000, kPageTables = 0x9000, kCommandLine = 0x20000;
constexpr uint64_t kMappedGiB = 4;
constexpr uint16_t kCodeSelector = 0x10, kDataSelector = 0x18;
constexpr uint64_t kGdtEntries[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};
constexpr uint64_t kPresent = 1, kWritable = 2, kLargePage = 0x80;
constexpr uint64_t kEntry64 = 0x200;

// Offsets in struct boot_params (boot.rst; zero-page.rst).
constexpr size_t kAcpiRsdp = 0x070, kExtRamdiskImage = 0x0c0, kExtRamdiskSize = 0x0c4, kExtCommandLine = 0x0c8,
                 kE820Count = 0x1e8, kSetupHeader = 0x1f1, kTypeOfLoader = 0x210, kRamdiskImage = 0x218,
                 kRamdiskSize = 0x21c, kCommandLinePointer = 0x228, kE820Table = 0x2d0;
constexpr size_t kBootParamsBytes = 4096, kHeaderLengthByte = 0x201;
constexpr uint8_t kUnknownLoader = 0xff;

template <class T>
void put(std::span<std::byte> at, size_t offset, T value) {
  std::memcpy(at.data() + offset, &value, sizeof value);
}

void put_page_tables(std::span<std::byte> ram) {
  const uint64_t pdpt = kPageTables + kPageSize;
  put<uint64_t>(ram, kPageTables, pdpt | kPresent | kWritable);
  for (uint64_t gib = 0; gib < kMappedGiB; ++gib) {
    const uint64_t directory = pdpt + (gib + 1) * kPageSize;
    put<uint64_t>(ram, pdpt + gib * 8, directory | kPresent | kWritable);
    for (uint64_t i = 0; i < 512; ++i) {
      const uint64_t address = gib << 30 | i << 21;
      put<uint64_t>(ram, directory + i * 8, address | kPresent | kWritable | kLargePage);
    }
  }
}

void put_memory_map(std::span<std::byte> params, const std::vector<MemoryRegion>& map) {
  put<uint8_t>(params, kE820Count, static_cast<uint8_t>(map.size()));
  size_t at = kE820Table;
  for (const MemoryRegion& region : map) {
    put<uint64_t>(params, at, region.base.v);
    put<uint64_t>(params, at + 8, region.bytes);
    put<uint32_t>(params, at + 16, region.type);
    at += 20;
  }
}

CpuRegs entry_regs(uint64_t entry) {
  CpuRegs regs;
  regs.rip = entry;
  regs.gpr[kRsi] = kBootParams;
  regs.rflags = 2;
  regs.cr0 = 0x80000011;  // PG, ET, PE
  regs.cr3 = kPageTables;
  regs.cr4 = 0x20;    // PAE
  regs.efer = 0x500;  // LMA, LME
  regs.gdtr = {kGdt, sizeof kGdtEntries - 1};
  regs.seg[kCs] = {.selector = kCodeSelector, .base = 0, .limit = 0xffffffff, .attributes = 0xa9b};
  for (const Seg data : {kDs, kEs, kSs}) {
    regs.seg[data] = {.selector = kDataSelector, .base = 0, .limit = 0xffffffff, .attributes = 0xc93};
  }
  regs.seg[kTr] = {.selector = 0, .base = 0, .limit = 0x67, .attributes = 0x8b};
  return regs;
}

// As high as the kernel takes it, below the end of RAM.
Result<uint64_t> place_initrd(const std::string& name, const BzImage& image, std::span<const std::byte> initrd,
                              uint64_t kernel_end, std::span<std::byte> ram) {
  const uint64_t top = std::min<uint64_t>(ram.size(), uint64_t{image.most_initrd_address} + 1);
  const uint64_t at = initrd.size() > top ? 0 : (top - initrd.size()) & ~(kPageSize - 1);
  if (at < kernel_end) {
    return input_error(
        fmt::format("{}: no room for the initrd ({} KiB) in {} MiB of memory beside the kernel, which "
                    "needs {} MiB",
                    name, initrd.size() >> 10, ram.size() >> 20, kernel_end >> 20));
  }
  std::copy(initrd.begin(), initrd.end(), ram.begin() + static_cast<std::ptrdiff_t>(at));
  return at;
}

}  // namespace

Result<CpuRegs> prepare_linux_boot(const std::string& name, const BzImage& image, std::span<const std::byte> file,
                                   const LinuxBootOptions& options, std::span<std::byte> ram) {
  if (!image.entry_64) return input_error(fmt::format("{}: has no 64-bit entry: not a kernel for x86-64", name));
  const auto code = file.subspan(image.kernel_offset);
  const uint64_t kernel_end = image.preferred_address + std::max<uint64_t>(image.init_bytes, code.size());
  if (kernel_end > ram.size()) {
    return input_error(fmt::format("{}: needs {} MiB of memory, the guest has {}", name, (kernel_end + 0xfffff) >> 20,
                                   ram.size() >> 20));
  }
  if (options.command_line.size() > image.most_cmdline_bytes) {
    return input_error(fmt::format("{}: takes a command line of at most {} bytes, this one has {}", name,
                                   image.most_cmdline_bytes, options.command_line.size()));
  }
  std::copy(code.begin(), code.end(), ram.begin() + static_cast<std::ptrdiff_t>(image.preferred_address));
  put_page_tables(ram);
  std::memcpy(ram.data() + kGdt, kGdtEntries, sizeof kGdtEntries);
  std::memcpy(ram.data() + kCommandLine, options.command_line.c_str(), options.command_line.size() + 1);

  const auto params = ram.subspan(kBootParams, kBootParamsBytes);
  std::fill(params.begin(), params.end(), std::byte{0});
  const size_t header_end = 0x202 + static_cast<size_t>(file[kHeaderLengthByte]);
  std::memcpy(params.data() + kSetupHeader, file.data() + kSetupHeader, header_end - kSetupHeader);
  put<uint8_t>(params, kTypeOfLoader, kUnknownLoader);
  put<uint32_t>(params, kCommandLinePointer, kCommandLine);
  put<uint32_t>(params, kExtCommandLine, 0);
  put<uint64_t>(params, kAcpiRsdp, options.rsdp.v);
  put_memory_map(params, options.memory_map);
  if (!options.initrd.empty()) {
    XS_TRY(const uint64_t at, place_initrd(name, image, options.initrd, kernel_end, ram));
    put<uint32_t>(params, kRamdiskImage, static_cast<uint32_t>(at));
    put<uint32_t>(params, kRamdiskSize, static_cast<uint32_t>(options.initrd.size()));
    put<uint32_t>(params, kExtRamdiskImage, 0);
    put<uint32_t>(params, kExtRamdiskSize, 0);
  }
  return entry_regs(image.preferred_address + kEntry64);
}

}  // namespace xensim::pc
