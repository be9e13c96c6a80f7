// Finds the code of the block that runs next, where the engine's translated code cannot jump to it directly: after a
// return, a call through a pointer, a change of page.
//
// The engine has a cache for this by virtual address, which each flush of its TLB empties, so that after each change of
// page tables every block is looked for in a large hash table: a sixth of a run that forks. Here is one by physical
// page as well, which such a flush does not touch. It leans on the engine's notes of blocks (block_note.h) and on its
// TLB (engine_tlb.h); what is not as expected is asked of the engine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/x86/fast/block_note.h"
#include "models/x86/fast/call_site.h"
#include "models/x86/fast/engine_tlb.h"

namespace xensim::x86 {

class BlockFinder {
 public:
  // `sites` knows where translated code is, once it is known: no note is looked for elsewhere. `ask`: the engine's
  // function, which is given the processor's state and gives back where to go on.
  BlockFinder(const EnvLayout& layout, EngineTlb& tlb, const CallSites& sites, const void* ask);

  // `env` is the engine's own state, and its TLB is as expected. Before that is known the engine is asked each time.
  void use(std::byte* env);
  // As the engine's function.
  const void* find(std::byte* env);

  // A block's code runs for the first time. New code is above all that there was, until the engine begins anew.
  void on_new_code(uint64_t code);
  // Memory is at another place.
  void forget();
  // All code was dropped.
  void forget_code();

  // How often the engine was asked.
  uint64_t asked() const { return asked_; }
  // Is half of the engine's room for code used?
  bool half_full() const { return newest_ > sites_.code_begin() + (sites_.code_end() - sites_.code_begin()) / 2; }

 private:
  // Looking is waiting for memory, so blocks that begin near each other share a line of it.
  struct Found {
    uint64_t where = 0;  // the low 48 bits of the block's address, and age_ when it was found
    uint64_t frame : 28 = 0;
    uint64_t flags : 8 = 0;  // an index into flags_
    uint64_t code : 28 = 0;  // from where code begins, in units of kCodeUnit
  };
  struct alignas(64) Near {
    std::array<Found, 4> blocks;
  };
  static_assert(sizeof(Near) == 64);
  static constexpr unsigned kBits = 12;  // of the number of these
  static constexpr uint64_t kCodeUnit = 64;

  // What runs next, as the processor's state has it.
  struct State {
    const uint64_t *rip = nullptr, *rflags = nullptr, *code_base = nullptr;
    const uint32_t* hflags = nullptr;
  };
  uint32_t flags() const;
  std::optional<uint32_t> frame_of(uint64_t pc, uint32_t flags);
  uint64_t where(uint64_t pc) const { return pc << 16 | age_; }
  Near& near(uint64_t pc) { return found_[(pc >> 6 ^ pc >> (6 + kBits)) & ((uint64_t{1} << kBits) - 1)]; }
  const void* ask(std::byte* env);
  void learn(const void* code);
  uint8_t index_of(uint32_t flags);

  using Ask = const void* (*)(std::byte* env);
  const EnvLayout& layout_;
  EngineTlb& tlb_;
  const CallSites& sites_;
  const Ask ask_;
  std::byte* env_ = nullptr;
  State state_;
  std::vector<Near> found_;            // empty before use()
  std::array<uint32_t, 256> flags_{};  // those that blocks were found with
  size_t flags_known_ = 0;
  uint16_t age_ = 1;   // goes up where all is forgotten; what is of another is not there
  unsigned next_ = 0;  // of a line, to be replaced
  uint64_t newest_ = 0, asked_ = 0;
  // From a block's code to its note, and its state while it is good: the same for all.
  uint64_t back_ = 0;
  uint32_t good_ = 0;
};

}  // namespace xensim::x86
