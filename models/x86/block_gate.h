// The hook that each block calls, as a few instructions beside the engine's translated code.
//
// Translated code calls what lies within 2 GiB by a plain call, and all else by way of a pointer behind the block,
// which is one more line of memory to wait for and a jump that the processor cannot foresee. The program lies far away,
// so the part of the hook that nearly all blocks need is put into a page near the engine's. Where that cannot be, the
// same is a function of the program's.
#pragma once

#include <cstdint>

namespace xensim::x86 {

// Counts blocks down. A block calls hook() with state() as the hook's argument. A block that comes with a tag
// (block_table.h) whose charge is within `room` takes the charge from there and leaves its tag; any other goes to
// `slow`.
class BlockGate {
 public:
  struct State;
  // As the engine's hook of a block, with where that hook would have returned to.
  using Slow = void (*)(void* uc, uint64_t pc, uint32_t size_or_tag, State* state, const void* returns_to);
  // What each block looks at.
  struct State {
    uint64_t room = 0;  // below 2^32 - 1
    uint32_t last = 0;  // the tag of the last block that passed; kRepeat: it was an iteration
    uint32_t repeat_tag = 0;
    uint64_t repeat_left = 0;
    Slow slow = nullptr;
    void* owner = nullptr;
  };

  static constexpr uint32_t kRepeat = ~0u;

  BlockGate(void* owner, Slow slow);
  ~BlockGate();
  BlockGate(const BlockGate&) = delete;
  BlockGate& operator=(const BlockGate&) = delete;

  State& state() { return state_; }
  void* hook() const { return hook_; }

 private:
  State state_;
  void* page_ = nullptr;  // near the engine's code; nullptr: none
  void* hook_ = nullptr;
};

}  // namespace xensim::x86
