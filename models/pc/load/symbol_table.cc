// Addresses to names.
#include "models/pc/load/symbol_table.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace xensim::pc {
namespace {

const ElfSection* section_of_type(const ElfFile& elf, uint32_t type) {
  for (const ElfSection& section : elf.sections()) {
    if (section.type == type) return &section;
  }
  return nullptr;
}

bool is_named_address(const ElfSymbol& symbol) {
  const bool defined = symbol.section != SHN_UNDEF && symbol.section != SHN_ABS && symbol.section != SHN_COMMON;
  const bool kind = symbol.type == STT_FUNC || symbol.type == STT_OBJECT || symbol.type == STT_NOTYPE;
  return defined && kind && !symbol.name.empty();
}

}  // namespace

Result<SymbolTable> SymbolTable::read(const ElfFile& elf) {
  SymbolTable table;
  const ElfSection* section = section_of_type(elf, SHT_SYMTAB);
  if (section == nullptr) section = section_of_type(elf, SHT_DYNSYM);
  if (section == nullptr) return table;
  XS_TRY(const auto symbols, elf.symbols(*section));
  // The names of an honest table share no bytes to speak of: more than the file has is a hostile one's blow-up.
  uint64_t name_bytes = 0;
  for (const ElfSymbol& symbol : symbols) {
    if (!is_named_address(symbol)) continue;
    name_bytes += symbol.name.size();
    if (name_bytes > 2 * elf.file().size()) return elf.error("the symbol table's names are longer than the file");
    table.symbols_.push_back({symbol.value, symbol.bytes, std::string(symbol.name)});
  }
  std::sort(table.symbols_.begin(), table.symbols_.end(),
            [](const Symbol& a, const Symbol& b) { return std::tie(a.address, a.name) < std::tie(b.address, b.name); });
  return table;
}

std::optional<SymbolAt> SymbolTable::find(Gva address) const {
  auto after = std::upper_bound(symbols_.begin(), symbols_.end(), address.v,
                                [](uint64_t value, const Symbol& symbol) { return value < symbol.address; });
  if (after == symbols_.begin()) return std::nullopt;
  const uint64_t begin = std::prev(after)->address;
  // Of several at the same address: the first that covers the one asked for.
  auto first = std::lower_bound(symbols_.begin(), after, begin,
                                [](const Symbol& symbol, uint64_t value) { return symbol.address < value; });
  for (; first != after; ++first) {
    if (first->bytes == 0 || address.v - begin < first->bytes) return SymbolAt{first->name, address.v - begin};
  }
  return std::nullopt;
}

std::optional<Gva> SymbolTable::address(std::string_view name) const {
  for (const Symbol& symbol : symbols_) {
    if (symbol.name == name) return Gva{symbol.address};
  }
  return std::nullopt;
}

std::string SymbolTable::describe(Gva address) const {
  const auto symbol = find(address);
  if (!symbol) return fmt::format("{:#x}", address.v);
  if (symbol->offset == 0) return std::string(symbol->name);
  return fmt::format("{}+{:#x}", symbol->name, symbol->offset);
}

}  // namespace xensim::pc
