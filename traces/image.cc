#include "traces/image.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <vector>

#include "models/base/elf_file.h"
#include "models/base/file_error.h"
#include "traces/event_sink.h"

namespace xensim::traces {

namespace {

struct Symbol {
  uint64_t start = 0;
  uint64_t bytes = 0;  // 0: up to the next
  std::string name;
};

}  // namespace

struct GuestImage::Impl {
  std::vector<char> file;
  std::optional<ElfFile> elf;  // of `file`
  std::string hash;
  std::vector<Symbol> symbols;  // by start
  csh disassembler = 0;

  ~Impl() {
    if (disassembler != 0) cs_close(&disassembler);
  }
  Status read_symbols();
};

Status GuestImage::Impl::read_symbols() {
  for (const ElfSection& section : elf->sections()) {
    if (section.type != SHT_SYMTAB) continue;
    XS_TRY(const auto table, elf->symbols(section));
    for (const ElfSymbol& symbol : table) {
      if ((symbol.type != STT_FUNC && symbol.type != STT_NOTYPE) || symbol.section == SHN_UNDEF) continue;
      if (!symbol.name.empty()) symbols.push_back({symbol.value, symbol.bytes, std::string(symbol.name)});
    }
  }
  std::stable_sort(symbols.begin(), symbols.end(), [](const Symbol& a, const Symbol& b) { return a.start < b.start; });
  return {};
}

Result<std::unique_ptr<GuestImage>> GuestImage::load(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return file_error(path, "", errno);
  auto impl = std::make_unique<Impl>();
  impl->file.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  impl->hash = to_string(TraceHash{XXH3_64bits(impl->file.data(), impl->file.size())});
  XS_TRY(impl->elf, ElfFile::read(path, std::as_bytes(std::span(impl->file))));
  const uint16_t machine = impl->elf->machine();
  if (machine != EM_X86_64 && machine != EM_386) return impl->elf->error("not an ELF file for x86");
  XS_TRY_STATUS(impl->read_symbols());
  if (cs_open(CS_ARCH_X86, machine == EM_386 ? CS_MODE_32 : CS_MODE_64, &impl->disassembler) != CS_ERR_OK)
    impl->disassembler = 0;
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
  const auto bytes = impl_->elf->loaded_at(address.v);
  const size_t room = std::min<size_t>(bytes.size(), 15);  // the longest instruction of x86
  cs_insn* decoded = nullptr;
  const size_t count =
      cs_disasm(impl_->disassembler, reinterpret_cast<const uint8_t*>(bytes.data()), room, address.v, 1, &decoded);
  if (count == 0) return {};
  std::string text = decoded[0].mnemonic;
  if (decoded[0].op_str[0] != '\0') text += fmt::format(" {}", decoded[0].op_str);
  cs_free(decoded, count);
  return text;
}

std::string GuestImage::describe(Gva address) const {
  const std::string name = symbol(address);
  const std::string text = instruction(address);
  return name.empty() || text.empty() ? name + text : name + ": " + text;
}

}  // namespace xensim::traces
