// Small valid ELF files for the loaders' tests, made field by field, so that a test can then break any one of them.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "models/pc/load/pvh_loader.h"

namespace xensim::pc::test {

// A file under construction: values are put at offsets, the file grows as needed.
class Bytes {
 public:
  template <class T>
  void put(uint64_t offset, const T& value) {
    grow(offset + sizeof value);
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }
  void put_text(uint64_t offset, std::string_view text) {
    grow(offset + text.size());
    std::memcpy(bytes_.data() + offset, text.data(), text.size());
  }
  template <class T>
  T get(uint64_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  void grow(uint64_t size) {
    if (bytes_.size() < size) bytes_.resize(size);
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

// Where things are in both files below.
inline constexpr uint64_t kPhdrs = 0x40;
inline constexpr uint64_t kCodeOffset = 0x200;
inline constexpr uint64_t kCodeBytes = 0x40;

struct Elf32Types {
  using Ehdr = Elf32_Ehdr;
  using Phdr = Elf32_Phdr;
  using Shdr = Elf32_Shdr;
  using Sym = Elf32_Sym;
  static constexpr unsigned char kClass = ELFCLASS32;
};

struct Elf64Types {
  using Ehdr = Elf64_Ehdr;
  using Phdr = Elf64_Phdr;
  using Shdr = Elf64_Shdr;
  using Sym = Elf64_Sym;
  static constexpr unsigned char kClass = ELFCLASS64;
};

template <class Types>
typename Types::Ehdr elf_header(uint16_t type, uint16_t machine, uint16_t segments, uint64_t sections_at,
                                uint16_t sections) {
  typename Types::Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = Types::kClass;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = type;
  header.e_machine = machine;
  header.e_version = EV_CURRENT;
  header.e_phoff = kPhdrs;
  header.e_shoff = static_cast<decltype(header.e_shoff)>(sections_at);
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(typename Types::Phdr);
  header.e_phnum = segments;
  header.e_shentsize = sizeof(typename Types::Shdr);
  header.e_shnum = sections;
  header.e_shstrndx = sections == 0 ? 0 : 1;
  return header;
}

template <class Types>
typename Types::Phdr elf_segment(uint32_t type, uint32_t flags, uint64_t offset, uint64_t addr, uint64_t file,
                                 uint64_t memory) {
  typename Types::Phdr segment{};
  using Word = decltype(segment.p_vaddr);
  segment.p_type = type;
  segment.p_flags = flags;
  segment.p_offset = static_cast<Word>(offset);
  segment.p_vaddr = static_cast<Word>(addr);
  segment.p_paddr = static_cast<Word>(addr);
  segment.p_filesz = static_cast<Word>(file);
  segment.p_memsz = static_cast<Word>(memory);
  return segment;
}

template <class Types>
typename Types::Shdr elf_section(uint32_t name, uint32_t type, uint64_t addr, uint64_t offset, uint64_t bytes,
                                 uint32_t link = 0) {
  typename Types::Shdr section{};
  using Word = decltype(section.sh_addr);
  section.sh_name = name;
  section.sh_type = type;
  section.sh_addr = static_cast<Word>(addr);
  section.sh_offset = static_cast<Word>(offset);
  section.sh_size = static_cast<Word>(bytes);
  section.sh_link = link;
  return section;
}

// A PVH guest: 0x40 bytes of code and data loaded at 0x100000 (0x1000 in memory), two symbols, one point named "store".
inline constexpr uint64_t kLoadAddress = 0x100000;
inline constexpr uint64_t kNoteOffset = 0x180;
inline constexpr uint64_t kPointsOffset = 0x260;

template <class Types>
std::vector<std::byte> pvh_elf(uint16_t machine) {
  constexpr uint64_t kNames = 0x280, kSymbols = 0x300, kStrings = 0x380, kSections = 0x400;
  using Sym = typename Types::Sym;
  Bytes file;
  file.put(0, elf_header<Types>(ET_EXEC, machine, 2, kSections, 5));
  constexpr uint64_t kPhdrBytes = sizeof(typename Types::Phdr);
  file.put(kPhdrs, elf_segment<Types>(PT_LOAD, PF_R | PF_X, kCodeOffset, kLoadAddress, kCodeBytes, 0x1000));
  file.put(kPhdrs + kPhdrBytes, elf_segment<Types>(PT_NOTE, PF_R, kNoteOffset, 0, 20, 20));
  file.put(kNoteOffset, Elf32_Nhdr{.n_namesz = 4, .n_descsz = 4, .n_type = 18});
  file.put_text(kNoteOffset + 12, std::string_view("Xen\0", 4));
  file.put(kNoteOffset + 16, uint32_t{kLoadAddress + 4});
  file.put(kCodeOffset, uint32_t{0xf4f4f4f4});
  file.put_text(kCodeOffset + 0x20, std::string_view("store\0", 6));
  file.put(kPointsOffset, uint64_t{kLoadAddress + 2});
  file.put(kPointsOffset + 8, uint64_t{kLoadAddress + 0x20});
  file.put_text(kNames, std::string_view("\0.shstrtab\0.symtab\0.strtab\0.xensim_points\0", 42));
  const auto symbol = [](uint32_t name, uint64_t value, uint64_t bytes) {
    Sym sym{};
    sym.st_name = name;
    sym.st_value = static_cast<decltype(sym.st_value)>(value);
    sym.st_size = static_cast<decltype(sym.st_size)>(bytes);
    sym.st_info = (STB_GLOBAL << 4) | STT_FUNC;
    sym.st_shndx = 1;
    return sym;
  };
  file.put(kSymbols + sizeof(Sym), symbol(1, kLoadAddress + 8, 0));
  file.put(kSymbols + 2 * sizeof(Sym), symbol(8, kLoadAddress, 4));
  file.put_text(kStrings, std::string_view("\0second\0start\0", 14));
  constexpr uint64_t kShdrBytes = sizeof(typename Types::Shdr);
  file.put(kSections + kShdrBytes, elf_section<Types>(1, SHT_STRTAB, 0, kNames, 42));
  file.put(kSections + 2 * kShdrBytes, elf_section<Types>(11, SHT_SYMTAB, 0, kSymbols, 3 * sizeof(Sym), 3));
  file.put(kSections + 3 * kShdrBytes, elf_section<Types>(19, SHT_STRTAB, 0, kStrings, 14));
  file.put(kSections + 4 * kShdrBytes, elf_section<Types>(27, SHT_PROGBITS, 0, kPointsOffset, 16));
  return file.take();
}

inline std::vector<std::byte> pvh_elf32() { return pvh_elf<Elf32Types>(EM_386); }
inline std::vector<std::byte> pvh_elf64() { return pvh_elf<Elf64Types>(EM_X86_64); }

// A native guest: read-only code at 0x100000, writable data at 0x101000 (0x20 bytes in the file, 0x100 in memory, the
// stacks in [0x101040, 0x101080)), one relocation at 0x101008 to 0x100010, exports xs_native_main and counter.
inline constexpr uint64_t kRelaOffset = 0x280;
inline constexpr uint64_t kDynamicOffset = 0x2c0;

inline std::vector<std::byte> native_elf() {
  using T = Elf64Types;
  constexpr uint64_t kData = 0x240, kNames = 0x340, kSymbols = 0x380, kStrings = 0x400, kSections = 0x440;
  Bytes file;
  file.put(0, elf_header<T>(ET_DYN, EM_X86_64, 3, kSections, 5));
  file.put(kPhdrs, elf_segment<T>(PT_LOAD, PF_R | PF_X, kCodeOffset, 0x100000, 0x140, 0x140));
  file.put(kPhdrs + sizeof(Elf64_Phdr), elf_segment<T>(PT_LOAD, PF_R | PF_W, kData, 0x101000, 0x20, 0x100));
  file.put(kPhdrs + 2 * sizeof(Elf64_Phdr), elf_segment<T>(PT_DYNAMIC, PF_R, kDynamicOffset, 0, 48, 48));
  file.put(kData, uint64_t{0x1111});
  file.put(kRelaOffset, Elf64_Rela{.r_offset = 0x101008, .r_info = R_X86_64_RELATIVE, .r_addend = 0x100010});
  file.put(kDynamicOffset, Elf64_Dyn{.d_tag = DT_RELA, .d_un = {.d_val = 0x100080}});
  file.put(kDynamicOffset + 16, Elf64_Dyn{.d_tag = DT_RELASZ, .d_un = {.d_val = sizeof(Elf64_Rela)}});
  file.put(kDynamicOffset + 32, Elf64_Dyn{.d_tag = DT_NULL, .d_un = {.d_val = 0}});
  file.put_text(kNames, std::string_view("\0.shstrtab\0.dynsym\0.dynstr\0.xensim_stacks\0", 42));
  const auto symbol = [](uint32_t name, uint64_t value, uint16_t section) {
    return Elf64_Sym{.st_name = name,
                     .st_info = (STB_GLOBAL << 4) | STT_FUNC,
                     .st_other = 0,
                     .st_shndx = section,
                     .st_value = value,
                     .st_size = 8};
  };
  file.put(kSymbols + sizeof(Elf64_Sym), symbol(1, 0x100000, 1));
  file.put(kSymbols + 2 * sizeof(Elf64_Sym), symbol(16, 0x101000, 1));
  file.put_text(kStrings, std::string_view("\0xs_native_main\0counter\0", 24));
  file.put(kSections + 0x40, elf_section<T>(1, SHT_STRTAB, 0, kNames, 42));
  file.put(kSections + 0x80, elf_section<T>(11, SHT_DYNSYM, 0, kSymbols, 3 * sizeof(Elf64_Sym), 3));
  file.put(kSections + 0xc0, elf_section<T>(19, SHT_STRTAB, 0, kStrings, 24));
  file.put(kSections + 0x100, elf_section<T>(27, SHT_NOBITS, 0x101040, 0, 0x40));
  return file.take();
}

// Changes one field of a finished file.
template <class T>
void poke(std::vector<std::byte>& file, uint64_t offset, T value) {
  std::memcpy(file.data() + offset, &value, sizeof value);
}

}  // namespace xensim::pc::test
