// Where translated code calls the hook of a block, so that the call can say more than the engine lets it.
//
// A block's hook is told of the block's address and of its size in bytes. Both are constants in the code that the
// engine generates, and a block's code is the block's own: with the size's place taken by a number of ours, the hook
// knows the block without a look into any table. Looking cost a fifth of a run, nearly all of it waiting for the
// table's memory.
//
// This leans on how the engine calls a hook, so each call is read first, and all of it must be as expected: the size,
// the hook's argument and the hook itself, in the engine's code_gen_buffer. Any other call is
// left alone, and its block is found by the table.
#pragma once

#include <cstdint>

#include "models/x86/engine/code_mappings.h"
#include "models/x86/fast/code_reader.h"

namespace xensim::x86 {

class CallSites {
 public:
  // Calls of `hook` with `user` as its last argument are looked for.
  // `code`: where the engine's code is, and nothing else that may be read.
  CallSites(const void* hook, const void* user, const CodeMapping& code)
      : hook_(hook), user_(user), begin_(code.begin), end_(code.end) {}

  // `returns_to`: where the hook returns to, so its caller is the engine. The size that the call passes, which must be
  // `size`, becomes `number`. False: the call is not as expected, and nothing was changed.
  bool renumber(const void* returns_to, uint32_t size, uint32_t number);
  // The memory that holds translated code.
  uint64_t code_begin() const { return begin_; }
  uint64_t code_end() const { return end_; }

 private:
  bool in_translated_code(const uint8_t* at) const;
  bool calls_hook(CodeReader& code) const;
  bool passes_user(CodeReader& code) const;

  const void* hook_;
  const void* user_;
  uint64_t begin_, end_;
};

}  // namespace xensim::x86
