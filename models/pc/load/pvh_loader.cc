// Checks on a PVH guest: note, segments, entry, points.
#include "models/pc/load/pvh_loader.h"

#include <elf.h>
#include <fmt/format.h>
#include <xen/elfnote.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "models/base/elf_file.h"

namespace xensim::pc {
namespace {

constexpr char kXenNoteName[] = "Xen";
constexpr char kPointsSection[] = ".xensim_points";

uint64_t round_up_4(uint64_t value) { return (value + 3) & ~uint64_t{3}; }

// The entry note in one blob of notes; `bad` gets what is wrong with the blob, and where it ends early.
std::optional<uint64_t> find_entry_note(std::span<const std::byte> notes, uint64_t file_offset, std::string& bad) {
  for (uint64_t at = 0; at + sizeof(Elf32_Nhdr) <= notes.size();) {  // the header is the same in both classes
    Elf32_Nhdr header;
    std::memcpy(&header, notes.data() + at, sizeof header);
    const uint64_t name = at + sizeof header;
    const uint64_t desc = name + round_up_4(header.n_namesz);
    if (desc + header.n_descsz > notes.size()) {
      bad = fmt::format("the note at offset {:#x} is longer than its segment or section", file_offset + at);
      return std::nullopt;
    }
    const bool is_xen = header.n_namesz == sizeof kXenNoteName &&
                        std::memcmp(notes.data() + name, kXenNoteName, sizeof kXenNoteName) == 0;
    if (is_xen && header.n_type == XEN_ELFNOTE_PHYS32_ENTRY) {
      if (header.n_descsz != 4 && header.n_descsz != 8) {
        bad = fmt::format("XEN_ELFNOTE_PHYS32_ENTRY at offset {:#x} has {} bytes, not 4 or 8", file_offset + at,
                          header.n_descsz);
        return std::nullopt;
      }
      uint64_t entry = 0;
      std::memcpy(&entry, notes.data() + desc, header.n_descsz);
      return entry;
    }
    at = desc + round_up_4(header.n_descsz);
  }
  return std::nullopt;
}

// Program headers first, as Xen's own loader does; then sections, for a file whose linker made no PT_NOTE.
Result<uint64_t> entry_of(const ElfFile& elf) {
  std::string bad;
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.type != PT_NOTE) continue;
    XS_TRY(const auto notes, elf.bytes_at(segment.offset, segment.file_bytes, "a PT_NOTE segment"));
    if (const auto entry = find_entry_note(notes, segment.offset, bad)) return *entry;
  }
  for (const ElfSection& section : elf.sections()) {
    if (section.type != SHT_NOTE) continue;
    XS_TRY(const auto notes, elf.contents(section));
    if (const auto entry = find_entry_note(notes, section.offset, bad)) return *entry;
  }
  if (!bad.empty()) return elf.error(bad);
  return elf.error("no XEN_ELFNOTE_PHYS32_ENTRY note: not a PVH guest (neither PT_NOTE nor SHT_NOTE has one)");
}

Status check_machine(const ElfFile& elf) {
  if (elf.machine() != EM_386 && elf.machine() != EM_X86_64) {
    return elf.error(fmt::format("e_machine is {}, neither EM_386 (3) nor EM_X86_64 (62)", elf.machine()));
  }
  // The other odd pair is in use: XTF's 64-bit guests are ELFCLASS32, EM_X86_64.
  if (elf.bits() == 64 && elf.machine() == EM_386) return elf.error("e_machine is EM_386 in a 64-bit ELF");
  if (elf.type() != ET_EXEC && elf.type() != ET_DYN) {
    return elf.error(fmt::format("e_type is {}, neither ET_EXEC (2) nor ET_DYN (3)", elf.type()));
  }
  return {};
}

Result<std::vector<PvhSegment>> segments_of(const ElfFile& elf) {
  std::vector<PvhSegment> segments;
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.type != PT_LOAD || segment.memory_bytes == 0) continue;
    segments.push_back(
        {Gpa{segment.paddr}, segment.offset, segment.file_bytes, segment.memory_bytes, segment.header_offset});
  }
  if (segments.empty()) return elf.error("no PT_LOAD segment: nothing to load");
  std::stable_sort(segments.begin(), segments.end(),
                   [](const PvhSegment& a, const PvhSegment& b) { return a.gpa < b.gpa; });
  for (size_t i = 1; i < segments.size(); ++i) {
    const PvhSegment& below = segments[i - 1];
    if (below.gpa.v + below.memory_bytes > segments[i].gpa.v) {
      return elf.error(
          fmt::format("PT_LOAD headers at offsets {:#x} and {:#x}: the segments overlap in memory at {:#x}",
                      below.header_offset, segments[i].header_offset, segments[i].gpa.v));
    }
  }
  return segments;
}

Status check_entry(const ElfFile& elf, const PvhImage& image) {
  for (const PvhSegment& segment : image.segments) {
    if (image.entry >= segment.gpa && image.entry.v - segment.gpa.v < segment.memory_bytes) return {};
  }
  return elf.error(fmt::format("XEN_ELFNOTE_PHYS32_ENTRY is {:#x}, which lies in no PT_LOAD segment", image.entry.v));
}

Result<std::vector<GuestPoint>> points_of(const ElfFile& elf) {
  struct Record {
    uint64_t address;
    uint64_t name;
  };
  std::vector<GuestPoint> points;
  const ElfSection* section = elf.section(kPointsSection);
  if (section == nullptr) return points;
  XS_TRY(const auto bytes, elf.contents(*section));
  if (bytes.size() % sizeof(Record) != 0) {
    return elf.error(fmt::format("section {}: {} bytes are not a whole number of {}-byte records", kPointsSection,
                                 bytes.size(), sizeof(Record)));
  }
  for (size_t at = 0; at < bytes.size(); at += sizeof(Record)) {
    Record record;
    std::memcpy(&record, bytes.data() + at, sizeof record);
    const auto fail = [&](std::string_view what, uint64_t address) {
      return elf.error(
          fmt::format("section {}, offset {:#x}: {} {:#x}", kPointsSection, section->offset + at, what, address));
    };
    if (elf.loaded_at(record.address).empty()) return fail("no code is loaded at the point's address", record.address);
    const auto name = elf.string_loaded_at(record.name);
    if (!name) return fail("no string is loaded at the name's address", record.name);
    points.push_back({Gva{record.address}, std::string(*name)});
  }
  return points;
}

}  // namespace

Result<PvhImage> read_pvh_image(std::string name, std::span<const std::byte> file) {
  XS_TRY(const ElfFile elf, ElfFile::read(name, file));
  XS_TRY_STATUS(check_machine(elf));
  PvhImage image;
  image.name = std::move(name);
  image.hash = XXH3_64bits(file.data(), file.size());
  image.bits = elf.bits();
  XS_TRY(image.segments, segments_of(elf));
  image.begin = image.segments.front().gpa;
  image.end = Gpa{image.segments.back().gpa.v + image.segments.back().memory_bytes};
  XS_TRY(const uint64_t entry, entry_of(elf));
  image.entry = Gpa{entry};
  XS_TRY_STATUS(check_entry(elf, image));
  XS_TRY(image.symbols, SymbolTable::read(elf));
  XS_TRY(image.points, points_of(elf));
  return image;
}

Status load_pvh_image(const PvhImage& image, std::span<const std::byte> file, std::span<std::byte> ram) {
  for (const PvhSegment& segment : image.segments) {
    if (segment.gpa.v > ram.size() || segment.memory_bytes > ram.size() - segment.gpa.v) {
      return input_error(
          fmt::format("{}: PT_LOAD header at offset {:#x}: the segment at {:#x}, {:#x} bytes, is outside the guest's "
                      "memory of {:#x} bytes",
                      image.name, segment.header_offset, segment.gpa.v, segment.memory_bytes, ram.size()));
    }
  }
  for (const PvhSegment& segment : image.segments) {
    const auto target = ram.subspan(segment.gpa.v, segment.memory_bytes);
    const auto source = file.subspan(segment.file_offset, segment.file_bytes);
    std::copy(source.begin(), source.end(), target.begin());
    std::fill(target.begin() + static_cast<std::ptrdiff_t>(source.size()), target.end(), std::byte{0});
  }
  return {};
}

}  // namespace xensim::pc
