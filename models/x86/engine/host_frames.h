// Code that changes, by host frame: which pages of host memory some engine has translated code from, and which are
// mapped more than once (granted, foreign-mapped), so that each engine that has translated a page hears of every
// change.
//
// A store of the engine's own guest through the mapping that the code was translated at is seen by the engine itself.
// What the host writes (the core, a device) must be said by changed(). What another engine's guest stores into a shared
// page, or the same guest through another mapping, is seen when the engine that has the code next runs: it keeps a copy
// of the page to compare (PhysicalMemory::look_at_shared_code). Not thread-safe; one for a machine, and it outlives its
// engines.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

namespace xensim::x86 {

class PhysicalMemory;

class HostFrames {
 public:
  void join(PhysicalMemory& memory) { memories_.push_back(&memory); }
  void leave(PhysicalMemory& memory);

  // Some engine has translated code from the page that holds `at`.
  void add_code(const std::byte* at);
  // These bytes were written by none of the engines' guests: every engine drops what it has translated from them.
  void changed(const std::byte* at, uint64_t bytes);
  // `host` (whole pages) is about to be mapped: pages of it that are mapped already are shared from now on.
  void mapping(std::span<const std::byte> host);
  // Is the page that holds `at` mapped more than once, or was it ever?
  bool shared(const std::byte* at) const { return !shared_.empty() && shared_.count(page_of(at)) != 0; }
  bool any_shared() const { return !shared_.empty(); }

 private:
  static uint64_t page_of(const std::byte* at);
  bool has_code(uint64_t page) const;

  static constexpr unsigned kPagesShift = 9;  // pages of an entry of code_
  std::vector<PhysicalMemory*> memories_;
  std::map<uint64_t, std::array<uint64_t, (1u << kPagesShift) / 64>> code_;  // bits, by page >> kPagesShift
  std::set<uint64_t> shared_;
};

}  // namespace xensim::x86
