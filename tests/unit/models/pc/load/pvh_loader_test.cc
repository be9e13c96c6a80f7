// The PVH loader on good, cut and broken files, and the start of a guest.
#include "models/pc/load/pvh_loader.h"

#include <doctest/doctest.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/xen.h>

#include <cstring>
#include <string>

#include "tests/unit/models/pc/load/tiny_elf.h"

using namespace xensim;
using namespace xensim::pc;
using namespace xensim::pc::test;

namespace {

using File = std::vector<std::byte>;

std::string message_of(const File& file) {
  const auto image = read_pvh_image("g.elf", file);
  return image ? "loaded" : image.error().message;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a 32-bit and a 64-bit guest load alike") {
  for (const File& file : {pvh_elf32(), pvh_elf64(), pvh_elf<Elf32Types>(EM_X86_64)}) {
    const auto image = read_pvh_image("g.elf", file);
    REQUIRE(image.has_value());
    CHECK(image->entry == Gpa{kLoadAddress + 4});
    CHECK(image->begin == Gpa{kLoadAddress});
    CHECK(image->end == Gpa{kLoadAddress + 0x1000});
    REQUIRE(image->points.size() == 1);
    CHECK(image->points[0] == GuestPoint{Gva{kLoadAddress + 2}, "store"});
    CHECK(image->symbols.describe(Gva{kLoadAddress}) == "start");
    CHECK(image->symbols.describe(Gva{kLoadAddress + 3}) == "start+0x3");
    CHECK(image->symbols.describe(Gva{kLoadAddress + 5}) == "0x100005");  // start has ended
    CHECK(image->symbols.describe(Gva{kLoadAddress + 0x20}) == "second+0x18");
    CHECK(image->symbols.address("second") == Gva{kLoadAddress + 8});
    std::vector<std::byte> ram(4 << 20, std::byte{0xaa});
    REQUIRE(load_pvh_image(*image, file, ram).has_value());
    CHECK(ram[kLoadAddress] == std::byte{0xf4});
    CHECK(ram[kLoadAddress - 1] == std::byte{0xaa});
    CHECK(ram[kLoadAddress + kCodeBytes] == std::byte{0});
    CHECK(ram[kLoadAddress + 0xfff] == std::byte{0});
    CHECK(ram[kLoadAddress + 0x1000] == std::byte{0xaa});
  }
  CHECK(read_pvh_image("g", pvh_elf32())->bits == 32);
  CHECK(read_pvh_image("g", pvh_elf64())->bits == 64);
  CHECK(read_pvh_image("a", pvh_elf64())->hash == read_pvh_image("b", pvh_elf64())->hash);
  CHECK(read_pvh_image("a", pvh_elf64())->hash != read_pvh_image("a", pvh_elf32())->hash);
}

TEST_CASE("the entry note is also found in a section alone") {
  File file = pvh_elf64();
  poke<uint32_t>(file, kPhdrs + sizeof(Elf64_Phdr), PT_NULL);
  CHECK(contains(message_of(file), "no XEN_ELFNOTE_PHYS32_ENTRY note"));
  poke(file, 0x400, elf_section<Elf64Types>(0, SHT_NOTE, 0, kNoteOffset, 20));
  CHECK(message_of(file) == "loaded");
}

TEST_CASE("every truncation is refused in one line, or loads the same") {
  for (const File& whole : {pvh_elf32(), pvh_elf64(), native_elf()}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const std::string message = message_of(File(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
      CAPTURE(size);
      CHECK(message.starts_with("g.elf: "));  // the section table is last: no prefix is a valid file
      CHECK(message.find('\n') == std::string::npos);
    }
  }
  CHECK(message_of({}) == "g.elf: the file is empty (0 bytes)");
}

TEST_CASE("every byte may be anything: refused in one line, or loaded") {
  for (const File& whole : {pvh_elf32(), pvh_elf64()}) {
    for (size_t at = 0; at < whole.size(); ++at) {
      for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
        File file = whole;
        file[at] ^= static_cast<std::byte>(flip);
        const auto image = read_pvh_image("g.elf", file);
        if (!image) {
          CHECK(image.error().message.starts_with("g.elf: "));
          continue;
        }
        std::vector<std::byte> ram(2 << 20);
        const Status loaded = load_pvh_image(*image, file, ram);
        if (loaded) CHECK(image->end.v <= ram.size());
      }
    }
  }
}

TEST_CASE("each refusal names the field") {
  const auto with = [](uint64_t offset, auto value) {
    File file = pvh_elf64();
    poke(file, offset, value);
    return message_of(file);
  };
  using Ehdr = Elf64_Ehdr;
  using Phdr = Elf64_Phdr;
  CHECK(contains(with(0, uint32_t{0}), "not an ELF file"));
  CHECK(contains(with(EI_CLASS, uint8_t{3}), "EI_CLASS"));
  CHECK(contains(with(EI_DATA, uint8_t{ELFDATA2MSB}), "EI_DATA"));
  CHECK(contains(with(offsetof(Ehdr, e_machine), uint16_t{EM_ARM}), "e_machine is 40"));
  CHECK(contains(with(offsetof(Ehdr, e_machine), uint16_t{EM_386}), "EM_386 in a 64-bit ELF"));
  CHECK(contains(with(offsetof(Ehdr, e_type), uint16_t{ET_REL}), "e_type is 1"));
  CHECK(contains(with(offsetof(Ehdr, e_phentsize), uint16_t{32}), "e_phentsize"));
  CHECK(contains(with(offsetof(Ehdr, e_phoff), uint64_t{1} << 63), "program header table"));
  CHECK(contains(with(offsetof(Ehdr, e_shoff), ~uint64_t{0}), "section header table"));
  CHECK(contains(with(offsetof(Ehdr, e_shstrndx), uint16_t{9}), "e_shstrndx 9"));
  CHECK(contains(with(kPhdrs + offsetof(Phdr, p_offset), ~uint64_t{0}), "offset 0x40: truncated: p_offset"));
  CHECK(contains(with(kPhdrs + offsetof(Phdr, p_memsz), uint64_t{1}), "more than p_memsz"));
  CHECK(contains(with(kPhdrs + offsetof(Phdr, p_paddr), ~uint64_t{0}), "wraps around"));
  CHECK(contains(with(kPhdrs + offsetof(Phdr, p_paddr), uint64_t{0x200000}), "which lies in no PT_LOAD segment"));
  CHECK(contains(with(kPhdrs, uint32_t{PT_NULL}), "no PT_LOAD segment"));
  CHECK(contains(with(kNoteOffset, ~uint32_t{0}), "note at offset 0x180"));
  CHECK(contains(with(kNoteOffset + 4, uint32_t{2}), "has 2 bytes"));
  CHECK(contains(with(kPointsOffset, uint64_t{0x500000}),
                 "offset 0x260: no code is loaded at the point's address 0x500000"));
  CHECK(contains(with(kPointsOffset + 8, uint64_t{0}), "no string is loaded at the name's address"));
}

TEST_CASE("segments that overlap, or lie outside memory, are refused") {
  File file = pvh_elf64();
  poke(file, kPhdrs + sizeof(Elf64_Phdr), elf_segment<Elf64Types>(PT_LOAD, PF_R, 0, kLoadAddress + 0xfff, 8, 8));
  CHECK(contains(message_of(file), "overlap in memory at 0x100fff"));
  file = pvh_elf64();
  const auto image = read_pvh_image("g.elf", file);
  REQUIRE(image.has_value());
  std::vector<std::byte> ram(kLoadAddress + 0xfff);
  const Status loaded = load_pvh_image(*image, file, ram);
  REQUIRE(!loaded.has_value());
  CHECK(contains(loaded.error().message, "is outside the guest's memory"));
  CHECK(ram == std::vector<std::byte>(ram.size()));
}

TEST_CASE("the PVH start is what the boot ABI says") {
  const auto image = read_pvh_image("g.elf", pvh_elf64());
  REQUIRE(image.has_value());
  std::vector<std::byte> ram(4 << 20);
  const std::string disk = "initrd";
  PvhStartOptions options{.command_line = "console=hvc0",
                          .modules = {{std::as_bytes(std::span(disk)), "first"}},
                          .memory_map = {{Gpa{0}, 0xa0000, 1}, {Gpa{0xa0000}, 0x60000, 2}},
                          .rsdp = Gpa{0x1234}};
  const auto start = prepare_pvh_start(*image, options, ram);
  REQUIRE(start.has_value());
  CHECK(start->start_info >= image->end);

  hvm_start_info info;
  std::memcpy(&info, ram.data() + start->start_info.v, sizeof info);
  CHECK(info.magic == XEN_HVM_START_MAGIC_VALUE);
  CHECK(info.version == 1);
  CHECK(info.rsdp_paddr == 0x1234);
  CHECK(std::string(reinterpret_cast<const char*>(ram.data()) + info.cmdline_paddr) == "console=hvc0");
  REQUIRE(info.memmap_entries == 2);
  hvm_memmap_table_entry map[2];
  std::memcpy(map, ram.data() + info.memmap_paddr, sizeof map);
  CHECK(map[1].addr == 0xa0000);
  CHECK(map[1].size == 0x60000);
  CHECK(map[1].type == 2);
  REQUIRE(info.nr_modules == 1);
  hvm_modlist_entry module;
  std::memcpy(&module, ram.data() + info.modlist_paddr, sizeof module);
  CHECK(module.paddr % kPageSize == 0);
  CHECK(std::string(reinterpret_cast<const char*>(ram.data()) + module.paddr, module.size) == disk);
  CHECK(std::string(reinterpret_cast<const char*>(ram.data()) + module.cmdline_paddr) == "first");

  const CpuRegs& regs = start->regs;
  CHECK(regs.rip == image->entry.v);
  CHECK(regs.gpr[kRbx] == start->start_info.v);
  CHECK(regs.rflags == 2);
  CHECK(regs.cr0 == 0x11);
  CHECK(regs.cr4 == 0);
  CHECK(regs.efer == 0);
  CHECK(regs.seg[kCs].limit == 0xffffffff);
  CHECK(regs.seg[kCs].attributes == 0xc9b);
  for (const Seg seg : {kDs, kEs, kSs}) CHECK(regs.seg[seg].attributes == 0xc93);
  CHECK(regs.seg[kTr].limit == 0x67);
  CHECK(regs.seg[kTr].attributes == 0x8b);

  std::vector<std::byte> small(image->end.v + 16);
  const auto refused = prepare_pvh_start(*image, {}, small);
  REQUIRE(!refused.has_value());
  CHECK(contains(refused.error().message, "no room for the start info"));
}
