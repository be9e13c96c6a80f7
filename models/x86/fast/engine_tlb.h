// The engine's TLB, read and filled in its place.
//
// After each change of page tables all of it is empty, and the engine's way to an entry is long: it walks the tables
// through its general functions for physical memory, and looks three times for what is mapped there. Filling it was a
// tenth of a run that forks. Where the tables say all there is to say (the page is RAM, its accessed bits are set, no
// fault follows), the entry is made here. What is not so, and whatever is not a 4-level table, is left to the engine,
// which sets bits, raises faults and reaches devices.
//
// The engine also makes its tables larger and smaller, by what was used of them within a tenth of a second. A guest may
// tell: what is no longer in the TLB sets the accessed bit anew. So here the time is counted in flushes.
//
// This leans on how the engine lays the TLB out; prove() compares that with an entry that the engine has made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "models/base/cpu.h"
#include "models/base/types.h"
#include "models/x86/engine/engine.h"
#include "models/x86/engine/physical_memory.h"
#include "models/x86/fast/block_gate_layout.h"

namespace xensim::x86 {

class EngineTlb {
 public:
  // The access's mmu_idx: the engine has a table for each.
  enum Use : unsigned { kKernel, kUser, kKernelWithoutSmap };
  struct Entry {
    uint64_t read, write, code;  // the page's address and flags; all ones: not so
    uint64_t physical;           // of the page
    uint64_t addend;             // from virtual to host addresses
    bool empty() const { return (read & write & code) == ~uint64_t{0}; }
  };

  EngineTlb(const EnvLayout& layout, PhysicalMemory& memory) : layout_(layout), memory_(memory) {}

  // Is the entry of `address`, which the engine has made for stores that it wants to see, as expected, and what is
  // around it? nothing: it is not such an entry. `env`: the engine's own state.
  std::optional<bool> prove(std::byte* env, uint64_t address, unsigned use);

  // For the next, `env` was proven. The place of the page's entry, whosever it is.
  static Entry& entry(std::byte* env, uint64_t address, unsigned use) {
    const std::byte* const t = table(env, use);
    const uint64_t at = word(t + 8) + (address >> (kPageShift - GATE_ENTRY_SHIFT) & word(t));
    return *reinterpret_cast<Entry*>(at);
  }
  // Makes the entry of `address`, so that the access may pass. Its host address; nullptr: the engine is to do it.
  std::byte* fill(std::byte* env, uint64_t address, unsigned use, Access access);

  // How many were made here.
  uint64_t filled() const { return filled_; }
  // How many there is room for, of a use, once the layout was proven; 0 before.
  uint64_t entries(unsigned use) const { return env_ ? entries_of(env_, use) : 0; }

 private:
  // A mask of the entries' offsets, and where they begin.
  static const std::byte* table(const std::byte* env, unsigned use) { return env + GATE_TLB + 16 * use; }
  static uint64_t entries_of(const std::byte* env, unsigned use) {
    return (word(table(env, use)) >> GATE_ENTRY_SHIFT) + 1;
  }
  static uint64_t word(const std::byte* at) {
    uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  bool covers_large_page(std::byte* env, uint64_t address, unsigned use, uint64_t bytes) const;
  void account(std::byte* env, const Entry& entry, unsigned use);
  void count_flushes(std::byte* env);

  const EnvLayout& layout_;
  PhysicalMemory& memory_;
  const std::byte* env_ = nullptr;  // that was proven
  uint64_t filled_ = 0, flushes_seen_ = 0, flushes_ = 0;
};

}  // namespace xensim::x86
