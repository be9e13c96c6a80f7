// The hook that each block calls, as a few instructions beside the engine's translated code.
//
// Translated code calls what lies within 2 GiB by CALL rel32, and all else by CALL [rip + disp32] through its constant
// pool, which is one more cache line to wait for and an indirect branch to predict. The program lies far away, so the
// part of the hook that nearly all blocks need is put into a page near this engine's code_gen_buffer. Where that cannot
// be, there is no gate (counted() is nullptr), and the engine is used plainly.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/x86/block_count.h"
#include "models/x86/engine/engine.h"

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
  // An instruction (GATE_SERVE_*) that translated code has the engine do by a function: the processor's state, which is
  // exact, and that function's other argument. false: the engine is to do it.
  using Serve = bool (*)(std::byte* env, uint64_t argument, State* state, unsigned what);
  // The program's part of the gate.
  struct Program {
    void* owner = nullptr;
    void* engine = nullptr;  // the hook's first argument
    Slow slow = nullptr;
    Serve serve = nullptr;
    // Called before an instruction that may set IF, where State::waiting says so.
    void (*opens)(State* state) = nullptr;
    // Finds out what State::tlb_known is to be, at a store that the TLB does not let pass. `use` as a function of the
    // engine's has it.
    void (*prove)(std::byte* env, uint64_t address, uint32_t use, State* state) = nullptr;
    const uint64_t* code_pages = nullptr;  // a bit for each page that has held code
    // In place of functions.lookup: gives back where the processor, whose state this is, goes on.
    const void* (*find)(std::byte* env, State* state) = nullptr;
    // Lets the access (GATE_FILL_*) pass the TLB and gives back its host address; nullptr: the engine is to do it.
    std::byte* (*fill)(std::byte* env, uint64_t address, uint32_t use, State* state, unsigned access) = nullptr;
  };
  // What each block looks at.
  struct State {
    BlockCount count;
    // Is the engine's TLB as block_gate_layout.h has it? 0: not known yet, 1: yes, 2: no.
    uint32_t tlb_known = 0;
    Program program;
    Engine::Functions functions;  // `check` is made after `slow`
  };

  // `code`: of the engine.
  BlockGate(const Program& program, const Engine::Functions& functions, const CodeMapping& code);
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
  // What a block calls in place of a function of the engine's; all nullptr as above.
  const Engine::Functions& replacements() const { return replacements_; }

 private:
  bool move_near(const CodeMapping& code);

  State far_state_;
  State* state_ = &far_state_;
  void* pages_ = nullptr;  // near the engine's code: the state's and the gate's; nullptr: none
  const void* hook_ = nullptr;
  const void* counted_ = nullptr;
  const void* repeated_ = nullptr;
  Engine::Functions replacements_;
};

}  // namespace xensim::x86
