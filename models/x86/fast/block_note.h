// What the engine notes of a block that it has translated, right before the block's code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace xensim::x86 {

// The beginning of it; the engine's names are in the comments.
struct BlockNote {
  uint64_t pc, cs_base;
  uint32_t flags;
  uint16_t bytes, instructions;  // size, icount
  uint32_t state, trace;         // cflags: changes where the block is no longer good; trace_vcpu_dstate
  uint64_t code, code_bytes;     // tc

  // Looks for the note of the block at `pc` whose code begins at most `before` bytes ahead of `code`; nothing below
  // `lowest` is read. nullptr: nothing there looks like it.
  static const BlockNote* find(const void* code, uint64_t pc, size_t before, uint64_t lowest) {
    constexpr size_t kFarthest = 512;
    const auto at = reinterpret_cast<uintptr_t>(code);
    const uint64_t end = at - kFarthest > lowest && at > kFarthest ? at - kFarthest : lowest;
    for (uint64_t place = (at & ~uint64_t{7}) - sizeof(BlockNote); place >= end; place -= 8) {
      const auto* note = reinterpret_cast<const BlockNote*>(place);
      if (note->pc != pc || note->code > at || at - note->code > before) continue;
      if (note->code >= place + sizeof(BlockNote)) return note;
    }
    return nullptr;
  }
};
static_assert(sizeof(BlockNote) == 48);

}  // namespace xensim::x86
