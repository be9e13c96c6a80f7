// MachineMemory: the machine's physical memory, one reserved range of host memory. Domains' RAM comes first, the core's
// own pages after it; a Maddr is an offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/base/result.h"
#include "models/base/types.h"

namespace xensim::sim {

class MachineMemory {
 public:
  // Reserves `bytes`; nothing is touched before it is used. `fixed_at`: executable, and at this host address, so that
  // addresses inside are the same in every run. kEnvironment where the host does not give the address space.
  static Result<MachineMemory> reserve(uint64_t bytes, uint64_t fixed_at = 0);
  MachineMemory(MachineMemory&& other) noexcept;
  MachineMemory& operator=(MachineMemory&&) = delete;
  ~MachineMemory();

  // The next `bytes` (whole pages), zero: a domain's RAM, or one page for the core.
  Maddr allocate(uint64_t bytes);
  // Takes back all that was allocated since allocated() was `mark`; its content becomes zero.
  void release_to(uint64_t mark);
  // Makes the content zero (whole pages), cheaply where little of it was touched.
  void clear(Maddr at, uint64_t bytes);
  uint64_t allocated() const { return used_; }
  uint64_t size() const { return bytes_; }  // of all that can be allocated

  std::byte* host(Maddr at) const { return base_ + at.v; }
  // The same back.
  Maddr address(const std::byte* host) const { return Maddr{static_cast<uint64_t>(host - base_)}; }
  std::span<std::byte> host(Maddr at, uint64_t bytes) const { return {base_ + at.v, bytes}; }
  // Is [at, at + bytes) allocated?
  bool contains(Maddr at, uint64_t bytes) const { return at.v <= used_ && bytes <= used_ - at.v; }

 private:
  MachineMemory(std::byte* base, uint64_t bytes) : base_(base), bytes_(bytes) {}
  std::byte* base_;
  uint64_t bytes_;
  uint64_t used_ = 0;
};

}  // namespace xensim::sim
