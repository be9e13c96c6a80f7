// Checks on a native image, its relocation and its reset.
#include "models/pc/load/native_image.h"

#include <elf.h>
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "models/base/elf_file.h"

namespace xensim::pc {
namespace {

constexpr char kStacksSection[] = ".xensim_stacks";

Result<std::vector<NativeSegment>> segments_of(const ElfFile& elf) {
  std::vector<NativeSegment> segments;
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.type == PT_TLS) return elf.error("a PT_TLS segment: a native guest has no thread-local variables");
    if (segment.type == PT_INTERP)
      return elf.error("a PT_INTERP segment: a program for a dynamic linker, not a native guest");
    if (segment.type != PT_LOAD || segment.memory_bytes == 0) continue;
    if (segment.vaddr < kNativeImageBase) {
      return elf.error(fmt::format("PT_LOAD header at offset {:#x}: p_vaddr {:#x} is below {:#x}",
                                   segment.header_offset, segment.vaddr, kNativeImageBase));
    }
    segments.push_back({segment.vaddr, segment.offset, segment.file_bytes, segment.memory_bytes,
                        (segment.flags & PF_W) != 0, (segment.flags & PF_X) != 0});
  }
  if (segments.empty()) return elf.error("no PT_LOAD segment: nothing to load");
  std::stable_sort(segments.begin(), segments.end(),
                   [](const NativeSegment& a, const NativeSegment& b) { return a.vaddr < b.vaddr; });
  for (size_t i = 1; i < segments.size(); ++i) {
    if (segments[i - 1].vaddr + segments[i - 1].memory_bytes > segments[i].vaddr) {
      return elf.error(fmt::format("two PT_LOAD segments overlap in memory at {:#x}", segments[i].vaddr));
    }
  }
  return segments;
}

// The dynamic section's entries that matter here.
struct Dynamic {
  uint64_t rela = 0;
  uint64_t rela_bytes = 0;
};

Result<Dynamic> dynamic_of(const ElfFile& elf) {
  Dynamic dynamic;
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.type != PT_DYNAMIC) continue;
    XS_TRY(const auto bytes, elf.bytes_at(segment.offset, segment.file_bytes, "the PT_DYNAMIC segment"));
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= bytes.size(); at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      std::memcpy(&entry, bytes.data() + at, sizeof entry);
      const auto refuse = [&](std::string_view what) {
        return elf.error(fmt::format("dynamic section, offset {:#x}: {}", segment.offset + at, what));
      };
      switch (entry.d_tag) {
        case DT_NULL: return dynamic;
        case DT_NEEDED: return refuse("DT_NEEDED: a native guest needs no library");
        case DT_TEXTREL: return refuse("DT_TEXTREL: relocations in read-only memory");
        case DT_REL: return refuse("DT_REL: only DT_RELA relocations are supported");
        case DT_RELR:
          return refuse("DT_RELR: packed relocations are not supported (link with -z nopack-relative-relocs)");
        case DT_PLTRELSZ:
          if (entry.d_un.d_val != 0)
            return refuse("DT_PLTRELSZ: calls through a PLT (link with -Bsymbolic and hidden visibility)");
          break;
        case DT_INIT:
        case DT_FINI: return refuse("DT_INIT or DT_FINI: nothing would run them");
        case DT_INIT_ARRAYSZ:
        case DT_FINI_ARRAYSZ:
          if (entry.d_un.d_val != 0) return refuse("a constructor or destructor: nothing would run it");
          break;
        case DT_RELA: dynamic.rela = entry.d_un.d_ptr; break;
        case DT_RELASZ: dynamic.rela_bytes = entry.d_un.d_val; break;
        default: break;
      }
    }
  }
  return dynamic;
}

const NativeSegment* segment_with(const std::vector<NativeSegment>& segments, uint64_t vaddr, uint64_t bytes) {
  for (const NativeSegment& segment : segments) {
    if (vaddr >= segment.vaddr && bytes <= segment.memory_bytes &&
        vaddr - segment.vaddr <= segment.memory_bytes - bytes) {
      return &segment;
    }
  }
  return nullptr;
}

Result<std::vector<NativeRelocation>> relocations_of(const ElfFile& elf, const Dynamic& dynamic,
                                                     const std::vector<NativeSegment>& segments) {
  std::vector<NativeRelocation> relocations;
  if (dynamic.rela_bytes == 0) return relocations;
  const auto table = elf.loaded_at(dynamic.rela);
  if (table.size() < dynamic.rela_bytes) {
    return elf.error(fmt::format("DT_RELA {:#x}, DT_RELASZ {:#x}: the table is in no segment's file part", dynamic.rela,
                                 dynamic.rela_bytes));
  }
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= dynamic.rela_bytes; at += sizeof(Elf64_Rela)) {
    Elf64_Rela entry;
    std::memcpy(&entry, table.data() + at, sizeof entry);
    if (ELF64_R_TYPE(entry.r_info) != R_X86_64_RELATIVE) {
      return elf.error(fmt::format("relocation {} (of {:#x}) has type {}, not R_X86_64_RELATIVE", at / sizeof entry,
                                   entry.r_offset, ELF64_R_TYPE(entry.r_info)));
    }
    const NativeSegment* segment = segment_with(segments, entry.r_offset, sizeof(uint64_t));
    if (segment == nullptr || !segment->writable) {
      return elf.error(
          fmt::format("relocation {}: r_offset {:#x} is in no writable segment", at / sizeof entry, entry.r_offset));
    }
    relocations.push_back({entry.r_offset, static_cast<uint64_t>(entry.r_addend)});
  }
  return relocations;
}

Result<std::vector<NativeExport>> exports_of(const ElfFile& elf) {
  std::vector<NativeExport> exports;
  for (const ElfSection& section : elf.sections()) {
    if (section.type != SHT_DYNSYM) continue;
    XS_TRY(const auto symbols, elf.symbols(section));
    for (const ElfSymbol& symbol : symbols) {
      if (symbol.name.empty()) continue;
      if (symbol.section == SHN_UNDEF) return elf.error(fmt::format("undefined symbol '{}'", symbol.name));
      if (symbol.section == SHN_ABS || symbol.binding == STB_LOCAL) continue;
      exports.push_back({std::string(symbol.name), symbol.value, symbol.bytes});
    }
  }
  std::stable_sort(exports.begin(), exports.end(),
                   [](const NativeExport& a, const NativeExport& b) { return a.name < b.name; });
  return exports;
}

// Exports are jumped to and read: each must lie inside a segment with all of its bytes (an end marker has none).
Status check_exports(const ElfFile& elf, const NativeImage& image) {
  for (const NativeExport& symbol : image.exports) {
    if (segment_with(image.segments, symbol.vaddr, symbol.bytes) == nullptr) {
      return elf.error(fmt::format("symbol '{}' at {:#x} is outside all segments", symbol.name, symbol.vaddr));
    }
  }
  return {};
}

Status find_stacks(const ElfFile& elf, NativeImage& image) {
  const ElfSection* section = elf.section(kStacksSection);
  if (section == nullptr) return {};
  const NativeSegment* segment = segment_with(image.segments, section->addr, section->bytes);
  if (segment == nullptr || !segment->writable) {
    return elf.error(fmt::format("section {} at {:#x}, {:#x} bytes, is in no writable segment", kStacksSection,
                                 section->addr, section->bytes));
  }
  image.stacks = section->addr;
  image.stacks_bytes = section->bytes;
  return {};
}

}  // namespace

std::optional<uint64_t> NativeImage::find(std::string_view symbol) const {
  for (const NativeExport& candidate : exports) {
    if (candidate.name == symbol) return candidate.vaddr;
  }
  return std::nullopt;
}

Result<NativeImage> read_native_image(std::string name, std::span<const std::byte> file) {
  XS_TRY(const ElfFile elf, ElfFile::read(name, file));
  if (elf.bits() != 64) return elf.error("e_ident[EI_CLASS]: a native guest is a 64-bit ELF");
  if (elf.machine() != EM_X86_64) return elf.error(fmt::format("e_machine is {}, not EM_X86_64 (62)", elf.machine()));
  if (elf.type() != ET_DYN) return elf.error(fmt::format("e_type is {}, not ET_DYN (3)", elf.type()));
  NativeImage image;
  image.name = std::move(name);
  image.hash = XXH3_64bits(file.data(), file.size());
  XS_TRY(image.segments, segments_of(elf));
  image.end = image.segments.back().vaddr + image.segments.back().memory_bytes;
  XS_TRY(const Dynamic dynamic, dynamic_of(elf));
  XS_TRY(image.relocations, relocations_of(elf, dynamic, image.segments));
  XS_TRY(image.exports, exports_of(elf));
  XS_TRY_STATUS(check_exports(elf, image));
  XS_TRY_STATUS(find_stacks(elf, image));
  return image;
}

Result<NativeProgram> NativeProgram::place(const NativeImage& image, std::span<const std::byte> file,
                                           std::span<std::byte> ram) {
  if (image.end > ram.size()) {
    return input_error(fmt::format("{}: the image ends at {:#x}, the guest's memory has {:#x} bytes", image.name,
                                   image.end, ram.size()));
  }
  NativeProgram program(image, ram);
  for (const NativeSegment& segment : image.segments) {
    const auto target = ram.subspan(segment.vaddr, segment.memory_bytes);
    const auto source = file.subspan(segment.file_offset, segment.file_bytes);
    std::copy(source.begin(), source.end(), target.begin());
    std::fill(target.begin() + static_cast<std::ptrdiff_t>(source.size()), target.end(), std::byte{0});
  }
  const auto base = reinterpret_cast<uint64_t>(ram.data());
  for (const NativeRelocation& relocation : image.relocations) {
    const uint64_t value = base + relocation.addend;
    std::memcpy(ram.data() + relocation.vaddr, &value, sizeof value);
  }
  // What lies behind a segment's file part is zero, unless a relocation reaches in there.
  for (const NativeSegment& segment : image.segments) {
    if (!segment.writable) continue;
    const uint64_t end = segment.vaddr + segment.memory_bytes;
    uint64_t content_end = segment.vaddr + segment.file_bytes;
    for (const NativeRelocation& relocation : image.relocations) {
      if (relocation.vaddr >= segment.vaddr && relocation.vaddr < end) {
        content_end = std::max(content_end, relocation.vaddr + sizeof(uint64_t));
      }
    }
    const uint64_t stacks_end = image.stacks + image.stacks_bytes;
    if (image.stacks_bytes != 0 && image.stacks >= segment.vaddr && image.stacks < end) {
      program.keep(segment.vaddr, image.stacks, content_end);
      program.keep(stacks_end, end, content_end);
    } else {
      program.keep(segment.vaddr, end, content_end);
    }
  }
  return program;
}

void NativeProgram::keep(uint64_t begin, uint64_t end, uint64_t content_end) {
  if (begin >= end) return;
  const auto content = ram_.subspan(begin, std::clamp(content_end, begin, end) - begin);
  writable_.push_back({begin, {content.begin(), content.end()}, end - begin});
}

std::byte* NativeProgram::symbol(std::string_view name) const {
  const auto vaddr = image_.find(name);
  return vaddr ? ram_.data() + *vaddr : nullptr;
}

void NativeProgram::reset() {
  for (const WritableRange& range : writable_) {
    std::byte* const target = ram_.data() + range.vaddr;
    if (!range.content.empty()) std::memcpy(target, range.content.data(), range.content.size());
    std::memset(target + range.content.size(), 0, range.bytes - range.content.size());
  }
}

}  // namespace xensim::pc
