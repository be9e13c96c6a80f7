// A careful reader of little-endian ELF files, 32 and 64 bits, from memory. The file is hostile: every offset is
// checked before it is used, and each error is one line that names the file and the offset or field. The one reader of
// ELF files for loaders and traces: libelf's errors name neither.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"
#include "models/base/types.h"

namespace xensim {

// A program header. File and memory ranges are checked for PT_LOAD: inside the file, no wrap, file size at most memory
// size.
struct ElfSegment {
  uint32_t type = 0;
  uint32_t flags = 0;
  uint64_t offset = 0;
  uint64_t vaddr = 0;
  uint64_t paddr = 0;
  uint64_t file_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t header_offset = 0;  // of the program header itself, for messages
};

// A section header; ranges are not checked, ElfFile::contents does that.
struct ElfSection {
  std::string name;
  uint32_t type = 0;
  uint64_t flags = 0;
  uint64_t addr = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint32_t link = 0;
  uint64_t header_offset = 0;
};

struct ElfSymbol {
  std::string_view name;  // points into the file; at most kMaxName bytes
  uint64_t value = 0;
  uint64_t bytes = 0;
  uint8_t type = 0;     // STT_*
  uint8_t binding = 0;  // STB_*
  uint16_t section = 0;
};

class ElfFile {
 public:
  static constexpr size_t kMaxName = 512;

  // Checks the header and both header tables. `file` must outlive the result.
  static Result<ElfFile> read(std::string name, std::span<const std::byte> file);

  const std::string& name() const { return name_; }
  unsigned bits() const { return bits_; }  // 32 or 64
  uint16_t type() const { return type_; }
  uint16_t machine() const { return machine_; }
  uint64_t entry() const { return entry_; }
  const std::vector<ElfSegment>& segments() const { return segments_; }
  const std::vector<ElfSection>& sections() const { return sections_; }
  std::span<const std::byte> file() const { return file_; }

  // The first section of that name; null where there is none.
  const ElfSection* section(std::string_view name) const;

  // `bytes` bytes at `offset`; `what` names them in the error.
  Result<std::span<const std::byte>> bytes_at(uint64_t offset, uint64_t bytes, std::string_view what) const;
  // A section's bytes in the file (none for SHT_NOBITS).
  Result<std::span<const std::byte>> contents(const ElfSection& section) const;

  // The file's bytes of what is loaded at virtual address `vaddr`, to the end of its segment's file part; empty:
  // nothing there.
  std::span<const std::byte> loaded_at(uint64_t vaddr) const;
  // The string loaded there: it must end inside the segment, within kMaxName bytes.
  std::optional<std::string_view> string_loaded_at(uint64_t vaddr) const;

  // A table of type SHT_SYMTAB or SHT_DYNSYM, without its entry 0.
  Result<std::vector<ElfSymbol>> symbols(const ElfSection& table) const;

  // "name: what", for errors that belong to this file.
  tl::unexpected<Error> error(std::string_view what) const;

 private:
  template <class Elf>
  Status read_headers();
  template <class Elf>
  Status read_segments(uint64_t table, uint64_t count);
  template <class Elf>
  Status read_sections(uint64_t table, uint64_t count, uint64_t names);
  template <class Elf>
  Result<std::vector<ElfSymbol>> read_symbols(const ElfSection& table) const;
  Status check_load(const ElfSegment& segment) const;

  std::string name_;
  std::span<const std::byte> file_;
  unsigned bits_ = 0;
  uint16_t type_ = 0;
  uint16_t machine_ = 0;
  uint64_t entry_ = 0;
  std::vector<ElfSegment> segments_;
  std::vector<ElfSection> sections_;
};

}  // namespace xensim
