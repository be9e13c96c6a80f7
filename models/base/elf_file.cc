// ELF headers, both classes by one template; every offset is checked before it is used.
#include "models/base/elf_file.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace xensim {
namespace {

struct Elf32 {
  using Ehdr = Elf32_Ehdr;
  using Phdr = Elf32_Phdr;
  using Shdr = Elf32_Shdr;
  using Sym = Elf32_Sym;
};

struct Elf64 {
  using Ehdr = Elf64_Ehdr;
  using Phdr = Elf64_Phdr;
  using Shdr = Elf64_Shdr;
  using Sym = Elf64_Sym;
};

// Copied out, since a hostile offset need not be aligned. The range was checked before.
template <class T>
T load(std::span<const std::byte> bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The string at `offset` of a string table: up to its zero, the table's end or the limit.
std::string_view string_in(std::span<const std::byte> table, uint64_t offset) {
  if (offset >= table.size()) return {};
  const auto* first = reinterpret_cast<const char*>(table.data()) + offset;
  return {first, strnlen(first, std::min<uint64_t>(table.size() - offset, ElfFile::kMaxName))};
}

}  // namespace

tl::unexpected<Error> ElfFile::error(std::string_view what) const {
  return input_error(fmt::format("{}: {}", name_, what));
}

Result<std::span<const std::byte>> ElfFile::bytes_at(uint64_t offset, uint64_t bytes, std::string_view what) const {
  if (offset > file_.size() || bytes > file_.size() - offset) {
    return error(fmt::format("truncated: {} needs {} bytes at offset {:#x}, the file has {:#x} in all", what, bytes,
                             offset, file_.size()));
  }
  return file_.subspan(offset, bytes);
}

Result<ElfFile> ElfFile::read(std::string name, std::span<const std::byte> file) {
  ElfFile elf;
  elf.name_ = std::move(name);
  elf.file_ = file;
  if (file.empty()) return elf.error("the file is empty (0 bytes)");
  if (std::memcmp(file.data(), ELFMAG, std::min<size_t>(SELFMAG, file.size())) != 0) {
    return elf.error("not an ELF file (offset 0: no ELF magic)");
  }
  XS_TRY(const auto ident, elf.bytes_at(0, EI_NIDENT, "e_ident"));
  const auto byte = [&ident](unsigned index) { return std::to_integer<unsigned>(ident[index]); };
  if (byte(EI_DATA) != ELFDATA2LSB)
    return elf.error(fmt::format("e_ident[EI_DATA] is {}, not little-endian", byte(EI_DATA)));
  if (byte(EI_VERSION) != EV_CURRENT)
    return elf.error(fmt::format("e_ident[EI_VERSION] is {}, not 1", byte(EI_VERSION)));
  switch (byte(EI_CLASS)) {
    case ELFCLASS32:
      elf.bits_ = 32;
      XS_TRY_STATUS(elf.read_headers<Elf32>());
      break;
    case ELFCLASS64:
      elf.bits_ = 64;
      XS_TRY_STATUS(elf.read_headers<Elf64>());
      break;
    default: return elf.error(fmt::format("e_ident[EI_CLASS] is {}, neither 32- nor 64-bit", byte(EI_CLASS)));
  }
  return elf;
}

template <class Elf>
Status ElfFile::read_headers() {
  XS_TRY(const auto bytes, bytes_at(0, sizeof(typename Elf::Ehdr), "the ELF header"));
  const auto header = load<typename Elf::Ehdr>(bytes, 0);
  type_ = header.e_type;
  machine_ = header.e_machine;
  entry_ = header.e_entry;
  if (header.e_version != EV_CURRENT) return error(fmt::format("e_version is {}, not 1", header.e_version));
  if (header.e_phnum != 0) {
    if (header.e_phnum == PN_XNUM) return error("e_phnum is 0xffff: more segments than supported");
    if (header.e_phentsize != sizeof(typename Elf::Phdr)) {
      return error(fmt::format("e_phentsize is {}, not {}", header.e_phentsize, sizeof(typename Elf::Phdr)));
    }
    XS_TRY_STATUS(read_segments<Elf>(header.e_phoff, header.e_phnum));
  }
  // e_shnum 0 with a table is the form for over 65,000 sections; its names and symbols are done without.
  if (header.e_shnum != 0) {
    if (header.e_shentsize != sizeof(typename Elf::Shdr)) {
      return error(fmt::format("e_shentsize is {}, not {}", header.e_shentsize, sizeof(typename Elf::Shdr)));
    }
    XS_TRY_STATUS(read_sections<Elf>(header.e_shoff, header.e_shnum, header.e_shstrndx));
  }
  return {};
}

Status ElfFile::check_load(const ElfSegment& segment) const {
  const auto fail = [&](std::string_view what) {
    return error(fmt::format("PT_LOAD header at offset {:#x}: {}", segment.header_offset, what));
  };
  if (segment.offset > file_.size() || segment.file_bytes > file_.size() - segment.offset) {
    return fail(fmt::format("truncated: p_offset {:#x} + p_filesz {:#x} is past the end of the file ({:#x} bytes)",
                            segment.offset, segment.file_bytes, file_.size()));
  }
  if (segment.file_bytes > segment.memory_bytes) {
    return fail(fmt::format("p_filesz {:#x} is more than p_memsz {:#x}", segment.file_bytes, segment.memory_bytes));
  }
  if (segment.paddr + segment.memory_bytes < segment.paddr) {
    return fail(fmt::format("p_paddr {:#x} + p_memsz {:#x} wraps around", segment.paddr, segment.memory_bytes));
  }
  if (segment.vaddr + segment.memory_bytes < segment.vaddr) {
    return fail(fmt::format("p_vaddr {:#x} + p_memsz {:#x} wraps around", segment.vaddr, segment.memory_bytes));
  }
  return {};
}

template <class Elf>
Status ElfFile::read_segments(uint64_t table, uint64_t count) {
  using Phdr = typename Elf::Phdr;
  XS_TRY(const auto bytes,
         bytes_at(table, count * sizeof(Phdr), fmt::format("the program header table (e_phnum {})", count)));
  for (uint64_t i = 0; i < count; ++i) {
    const auto header = load<Phdr>(bytes, i * sizeof(Phdr));
    const ElfSegment segment{.type = header.p_type,
                             .flags = header.p_flags,
                             .offset = header.p_offset,
                             .vaddr = header.p_vaddr,
                             .paddr = header.p_paddr,
                             .file_bytes = header.p_filesz,
                             .memory_bytes = header.p_memsz,
                             .header_offset = table + i * sizeof(Phdr)};
    if (segment.type == PT_LOAD) XS_TRY_STATUS(check_load(segment));
    segments_.push_back(segment);
  }
  return {};
}

template <class Elf>
Status ElfFile::read_sections(uint64_t table, uint64_t count, uint64_t names) {
  using Shdr = typename Elf::Shdr;
  XS_TRY(const auto bytes,
         bytes_at(table, count * sizeof(Shdr), fmt::format("the section header table (e_shnum {})", count)));
  std::span<const std::byte> strings;
  if (names != SHN_UNDEF && names != SHN_XINDEX) {
    if (names >= count) return error(fmt::format("e_shstrndx {} is not below e_shnum {}", names, count));
    const auto header = load<Shdr>(bytes, names * sizeof(Shdr));
    XS_TRY(strings, bytes_at(header.sh_offset, header.sh_size, "the section name table (e_shstrndx)"));
  }
  for (uint64_t i = 0; i < count; ++i) {
    const auto header = load<Shdr>(bytes, i * sizeof(Shdr));
    sections_.push_back({.name = std::string(string_in(strings, header.sh_name)),
                         .type = header.sh_type,
                         .flags = header.sh_flags,
                         .addr = header.sh_addr,
                         .offset = header.sh_offset,
                         .bytes = header.sh_size,
                         .link = header.sh_link,
                         .header_offset = table + i * sizeof(Shdr)});
  }
  return {};
}

const ElfSection* ElfFile::section(std::string_view name) const {
  for (const ElfSection& section : sections_) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

Result<std::span<const std::byte>> ElfFile::contents(const ElfSection& section) const {
  if (section.type == SHT_NOBITS) return std::span<const std::byte>{};
  return bytes_at(section.offset, section.bytes, fmt::format("section '{}'", section.name));
}

std::span<const std::byte> ElfFile::loaded_at(uint64_t vaddr) const {
  for (const ElfSegment& segment : segments_) {
    if (segment.type == PT_LOAD && vaddr >= segment.vaddr && vaddr - segment.vaddr < segment.file_bytes) {
      const uint64_t skip = vaddr - segment.vaddr;
      return file_.subspan(segment.offset + skip, segment.file_bytes - skip);
    }
  }
  return {};
}

std::optional<std::string_view> ElfFile::string_loaded_at(uint64_t vaddr) const {
  const auto bytes = loaded_at(vaddr);
  const std::string_view text = string_in(bytes, 0);
  if (text.size() == bytes.size() || text.size() == kMaxName) return std::nullopt;
  return text;
}

Result<std::vector<ElfSymbol>> ElfFile::symbols(const ElfSection& table) const {
  return bits_ == 64 ? read_symbols<Elf64>(table) : read_symbols<Elf32>(table);
}

template <class Elf>
Result<std::vector<ElfSymbol>> ElfFile::read_symbols(const ElfSection& table) const {
  using Sym = typename Elf::Sym;
  XS_TRY(const auto bytes, contents(table));
  if (table.link >= sections_.size()) {
    return error(fmt::format("section header at offset {:#x}: sh_link {} of a symbol table names no section",
                             table.header_offset, table.link));
  }
  XS_TRY(const auto strings, contents(sections_[table.link]));
  std::vector<ElfSymbol> symbols;
  for (uint64_t at = sizeof(Sym); at + sizeof(Sym) <= bytes.size(); at += sizeof(Sym)) {
    const auto symbol = load<Sym>(bytes, at);
    symbols.push_back({.name = string_in(strings, symbol.st_name),
                       .value = symbol.st_value,
                       .bytes = symbol.st_size,
                       .type = static_cast<uint8_t>(symbol.st_info & 0xf),  // the same in both classes
                       .binding = static_cast<uint8_t>(symbol.st_info >> 4),
                       .section = symbol.st_shndx});
  }
  return symbols;
}

}  // namespace xensim
