// The PVH start: what a guest finds in memory and in its registers at its entry.
#include <fmt/format.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/xen.h>

#include <algorithm>
#include <cstring>

#include "models/pc/load/pvh_loader.h"

namespace xensim::pc {
namespace {

constexpr uint64_t kBelow4GiB = uint64_t{1} << 32;

// Hands out guest memory upward, checks that it is there, and fills it.
class Placer {
 public:
  Placer(std::string name, std::span<std::byte> ram, uint64_t begin)
      : name_(std::move(name)), ram_(ram.first(std::min<uint64_t>(ram.size(), kBelow4GiB))), next_(begin) {}

  Result<uint64_t> place(std::span<const std::byte> bytes, uint64_t align, std::string_view what) {
    const uint64_t at = (next_ + align - 1) & ~(align - 1);
    if (at < next_ || at > ram_.size() || bytes.size() > ram_.size() - at) {
      return input_error(
          fmt::format("{}: no room for {} ({:#x} bytes at {:#x}) in the guest's memory below 4 GiB ({:#x} bytes)",
                      name_, what, bytes.size(), at, ram_.size()));
    }
    std::copy(bytes.begin(), bytes.end(), ram_.begin() + static_cast<std::ptrdiff_t>(at));
    next_ = at + bytes.size();
    return at;
  }

  Result<uint64_t> place_string(const std::string& text, std::string_view what) {
    return place(std::as_bytes(std::span(text.c_str(), text.size() + 1)), 1, what);
  }

  uint64_t end() const { return next_; }

 private:
  std::string name_;
  std::span<std::byte> ram_;
  uint64_t next_;
};

Result<uint64_t> place_modules(Placer& placer, const std::vector<PvhModule>& modules) {
  if (modules.empty()) return 0;
  std::vector<hvm_modlist_entry> list;
  for (const PvhModule& module : modules) {
    hvm_modlist_entry entry{};
    XS_TRY(entry.paddr, placer.place(module.bytes, kPageSize, "a module"));
    entry.size = module.bytes.size();
    if (!module.command_line.empty()) {
      XS_TRY(entry.cmdline_paddr, placer.place_string(module.command_line, "a module's command line"));
    }
    list.push_back(entry);
  }
  return placer.place(std::as_bytes(std::span(list)), 8, "the module list");
}

Result<uint64_t> place_memory_map(Placer& placer, const std::vector<MemoryRegion>& regions) {
  std::vector<hvm_memmap_table_entry> table;
  for (const MemoryRegion& region : regions) {
    hvm_memmap_table_entry entry{};
    entry.addr = region.base.v;
    entry.size = region.bytes;
    entry.type = region.type;
    table.push_back(entry);
  }
  return placer.place(std::as_bytes(std::span(table)), 8, "the memory map");
}

// The entry's registers (docs/misc/pvh.pandoc, "x86/HVM direct boot ABI"). Selectors are unspecified there: 0, as Xen
// has them. FS and GS are not named: unusable.
CpuRegs entry_regs(Gpa entry, Gpa start_info) {
  CpuRegs regs;
  regs.rip = entry.v;
  regs.gpr[kRbx] = start_info.v;
  regs.rflags = 2;  // VM, TF and IF clear
  regs.cr0 = 0x11;  // PE, and ET, which is hard-wired
  constexpr uint32_t kFlat = 0xffffffff;
  regs.seg[kCs] = {.selector = 0, .base = 0, .limit = kFlat, .attributes = 0xc9b};  // G, D, present, code, accessed
  for (const Seg data : {kDs, kEs, kSs}) {
    regs.seg[data] = {.selector = 0, .base = 0, .limit = kFlat, .attributes = 0xc93};
  }
  regs.seg[kTr] = {.selector = 0, .base = 0, .limit = 0x67, .attributes = 0x8b};  // a busy 32-bit TSS
  return regs;
}

}  // namespace

Result<PvhStart> prepare_pvh_start(const PvhImage& image, const PvhStartOptions& options, std::span<std::byte> ram) {
  Placer placer(image.name, ram, image.end.v);
  hvm_start_info info{};
  info.magic = XEN_HVM_START_MAGIC_VALUE;
  info.version = 1;
  info.nr_modules = static_cast<uint32_t>(options.modules.size());
  info.rsdp_paddr = options.rsdp.v;
  XS_TRY(info.modlist_paddr, place_modules(placer, options.modules));

  std::vector<MemoryRegion> regions = options.memory_map;
  if (regions.empty()) regions.push_back({Gpa{0}, ram.size(), XEN_HVM_MEMMAP_TYPE_RAM});
  info.memmap_entries = static_cast<uint32_t>(regions.size());
  // The start info begins a page, so that a guest may map or keep the small structures by themselves.
  XS_TRY(const uint64_t at, placer.place(std::as_bytes(std::span(&info, 1)), kPageSize, "the start info"));
  XS_TRY(info.memmap_paddr, place_memory_map(placer, regions));
  XS_TRY(info.cmdline_paddr, placer.place_string(options.command_line, "the command line"));
  std::memcpy(ram.data() + at, &info, sizeof info);  // now with what was placed behind it

  PvhStart start;
  start.start_info = Gpa{at};
  start.regs = entry_regs(image.entry, start.start_info);
  start.end = Gpa{placer.end()};
  return start;
}

}  // namespace xensim::pc
