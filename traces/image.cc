#include "traces/image.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "traces/event_sink.h"

namespace xensim::traces {

namespace {

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};

struct Symbol {
  uint64_t start = 0;
  uint64_t bytes = 0;  // 0: up to the next
  std::string name;
};

struct Segment {
  uint64_t start = 0;
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
};

}  // namespace

struct GuestImage::Impl {
  std::vector<char> file;
  std::unique_ptr<Elf, EndElf> elf;
  std::string hash;
  std::vector<Symbol> symbols;  // by start
  std::vector<Segment> segments;
  csh disassembler = 0;

  ~Impl() {
    if (disassembler != 0) cs_close(&disassembler);
  }
  void read_segments();
  void read_symbols();
};

void GuestImage::Impl::read_segments() {
  size_t count = 0;
  if (elf_getphdrnum(elf.get(), &count) != 0) return;
  for (size_t i = 0; i < count; i++) {
    GElf_Phdr header;
    if (gelf_getphdr(elf.get(), static_cast<int>(i), &header) == nullptr || header.p_type != PT_LOAD) continue;
    if (header.p_offset > file.size() || header.p_filesz > file.size() - header.p_offset) continue;
    segments.push_back({header.p_vaddr, header.p_offset, header.p_filesz});
  }
}

void GuestImage::Impl::read_symbols() {
  Elf_Scn* section = nullptr;
  while ((section = elf_nextscn(elf.get(), section)) != nullptr) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type != SHT_SYMTAB || header.sh_entsize == 0) continue;
    Elf_Data* data = elf_getdata(section, nullptr);
    if (data == nullptr) continue;
    for (size_t i = 0; i < data->d_size / header.sh_entsize; i++) {
      GElf_Sym symbol;
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
      const unsigned type = GELF_ST_TYPE(symbol.st_info);
      if ((type != STT_FUNC && type != STT_NOTYPE) || symbol.st_shndx == SHN_UNDEF) continue;
      const char* name = elf_strptr(elf.get(), header.sh_link, symbol.st_name);
      if (name != nullptr && *name != '\0') symbols.push_back({symbol.st_value, symbol.st_size, name});
    }
  }
  std::stable_sort(symbols.begin(), symbols.end(), [](const Symbol& a, const Symbol& b) { return a.start < b.start; });
}

Result<std::unique_ptr<GuestImage>> GuestImage::load(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return environment_error(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  auto impl = std::make_unique<Impl>();
  impl->file.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  impl->hash = to_string(TraceHash{XXH3_64bits(impl->file.data(), impl->file.size())});
  elf_version(EV_CURRENT);
  if (!impl->file.empty()) impl->elf.reset(elf_memory(impl->file.data(), impl->file.size()));
  GElf_Ehdr header;
  if (!impl->elf || elf_kind(impl->elf.get()) != ELF_K_ELF || gelf_getehdr(impl->elf.get(), &header) == nullptr) {
    return input_error(path + ": not an ELF file");
  }
  if (header.e_machine != EM_X86_64 && header.e_machine != EM_386)
    return input_error(path + ": not an ELF file for x86");
  impl->read_segments();
  impl->read_symbols();
  const cs_mode mode = header.e_machine == EM_386 ? CS_MODE_32 : CS_MODE_64;
  if (cs_open(CS_ARCH_X86, mode, &impl->disassembler) != CS_ERR_OK) impl->disassembler = 0;
  return std::unique_ptr<GuestImage>(new GuestImage(std::move(impl)));
}

GuestImage::GuestImage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GuestImage::~GuestImage() = default;

const std::string& GuestImage::hash() const { return impl_->hash; }

std::string GuestImage::symbol(Gva address) const {
  const auto after = std::upper_bound(impl_->symbols.begin(), impl_->symbols.end(), address.v,
                                      [](uint64_t value, const Symbol& symbol) { return value < symbol.start; });
  if (after == impl_->symbols.begin()) return {};
  const Symbol& symbol = *std::prev(after);
  const uint64_t offset = address.v - symbol.start;
  if (symbol.bytes != 0 ? offset >= symbol.bytes : after == impl_->symbols.end() && offset >= kPageSize) return {};
  return offset == 0 ? symbol.name : fmt::format("{}+{:#x}", symbol.name, offset);
}

std::string GuestImage::instruction(Gva address) const {
  if (impl_->disassembler == 0) return {};
  for (const Segment& segment : impl_->segments) {
    if (address.v < segment.start || address.v - segment.start >= segment.bytes) continue;
    const uint64_t skip = address.v - segment.start;
    const auto* code = reinterpret_cast<const uint8_t*>(impl_->file.data()) + segment.offset + skip;
    cs_insn* decoded = nullptr;
    const size_t room = std::min<uint64_t>(segment.bytes - skip, 15);  // the longest instruction of x86
    const size_t count = cs_disasm(impl_->disassembler, code, room, address.v, 1, &decoded);
    if (count == 0) return {};
    std::string text = decoded[0].mnemonic;
    if (decoded[0].op_str[0] != '\0') text += fmt::format(" {}", decoded[0].op_str);
    cs_free(decoded, count);
    return text;
  }
  return {};
}

std::string GuestImage::describe(Gva address) const {
  const std::string name = symbol(address);
  const std::string text = instruction(address);
  return name.empty() || text.empty() ? name + text : name + ": " + text;
}

}  // namespace xensim::traces
