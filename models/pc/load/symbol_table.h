// Names for code addresses: what a stack trace, a report or the disassembler shows of a guest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/elf_file.h"
#include "models/base/types.h"

namespace xensim::pc {

struct SymbolAt {
  std::string_view name;  // lives as long as the table
  uint64_t offset = 0;    // of the address, from the symbol's begin
};

class SymbolTable {
 public:
  // The functions, objects and labels of the file's SHT_SYMTAB (else SHT_DYNSYM); empty where it has neither.
  static Result<SymbolTable> read(const ElfFile& elf);

  // The nearest symbol at or below `address`; none where a sized symbol ends before it.
  std::optional<SymbolAt> find(Gva address) const;
  // The address of the first symbol of that name.
  std::optional<Gva> address(std::string_view name) const;
  // "name+0x12", "name" at its begin, or "0x1234" where nothing is known.
  std::string describe(Gva address) const;

  size_t size() const { return symbols_.size(); }

 private:
  struct Symbol {
    uint64_t address = 0;
    uint64_t bytes = 0;  // 0: not known
    std::string name;
  };

  std::vector<Symbol> symbols_;  // by address, then name
};

}  // namespace xensim::pc
