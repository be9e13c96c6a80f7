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
  // As the engine's hook of a block, with where that hook would have returned to. Gives back where the block is to go
  // on, which only the near gate() minds.
  using Slow = const void* (*)(void* uc, uint64_t pc, uint32_t size_or_tag, State* state, const void* returns_to);
  // What each block looks at.
  struct State {
    uint64_t room = 0;  // below 2^32 - 1
    uint32_t last = 0;  // the tag of the last block that passed; kRepeat: it was an iteration
    uint32_t repeat_tag = 0;
    uint64_t repeat_left = 0;
    Slow slow = nullptr;
    void* owner = nullptr;
    void* engine = nullptr;
    const void* check = nullptr;  // the engine's check for a request to stop, made after `slow`
  };

  static constexpr uint32_t kRepeat = ~0u;

  // `engine` is the hook's first argument. `check` is what the engine calls with it, to leave the block where that was
  // asked for; nullptr: not known.
  BlockGate(void* owner, Slow slow, void* engine, const void* check);
  ~BlockGate();
  BlockGate(const BlockGate&) = delete;
  BlockGate& operator=(const BlockGate&) = delete;

  State& state() { return *state_; }
  const State& state() const { return *state_; }
  const void* hook() const { return hook_; }

  // What a block calls that counts itself (block_code.h), a counted one or an iteration, once it has counted too much.
  // nullptr: blocks can not count themselves, for the gate is not near.
  const void* counted() const { return counted_; }
  const void* repeated() const { return repeated_; }
  const void* check() const { return state_->check; }
  const void* engine() const { return state_->engine; }

 private:
  bool move_near_code();

  State far_state_;
  State* state_ = &far_state_;
  void* pages_ = nullptr;  // near the engine's code: the state's and the gate's; nullptr: none
  const void* hook_ = nullptr;
  const void* counted_ = nullptr;
  const void* repeated_ = nullptr;
};

}  // namespace xensim::x86
