// GuestImage: a guest's ELF, for the names and instructions behind code addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "models/base/result.h"
#include "models/base/types.h"

namespace xensim::traces {

// Owns a copy of the file. Hostile files give errors.
class GuestImage {
 public:
  // kEnvironment: cannot be read. kInput: not an ELF file of x86.
  static Result<std::unique_ptr<GuestImage>> load(const std::string& path);
  ~GuestImage();

  // XXH3-64 of the file, as TraceInfo::images has it.
  const std::string& hash() const;
  // `main+0x14`; empty: no symbol covers it.
  std::string symbol(Gva address) const;
  // `mov eax, ebx`; empty: not in the file, or no instruction. From the file, not from the guest's memory at that time.
  std::string instruction(Gva address) const;
  // Both, as far as there: `main+0x14: mov eax, ebx`.
  std::string describe(Gva address) const;

 private:
  struct Impl;
  explicit GuestImage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace xensim::traces
