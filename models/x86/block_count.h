// What a block's hook counts down: how many instructions may run before somebody has to look (SoftCpu's accounting).
#pragma once

#include <cstdint>

namespace xensim::x86 {

// The first member of BlockGate::State, so block_gate.S knows the offsets. Not thread-safe.
struct BlockCount {
  static constexpr uint32_t kRepeat = ~0u;

  uint64_t room = 0;         // instructions, below 2^32 - 1: a block with a higher charge is looked at
  uint32_t last = 0;         // the tag (block_table.h) of the last block that passed; kRepeat: it was an iteration
  uint32_t repeat_tag = 0;   // of the repeated string instruction that `repeat_left` is of
  uint64_t repeat_left = 0;  // iterations that need no look
  uint32_t waiting = 0;      // an interrupt waits for IF: instructions that may set it are looked at
};

}  // namespace xensim::x86
