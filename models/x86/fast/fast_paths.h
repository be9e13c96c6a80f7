// The face of fast/: all that reads or rewrites Unicorn's private state (TranslationBlocks, CPUTLBEntry tables, the
// CPUX86State of the running processor), for one engine. SoftCpu owns one, or none: then the engine is used by its
// public interface alone (but for the uc_context's layout, which calibration proves) and every result is the same.
//
// A mode that a block is in, a count or an event never depends on which way it took. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "models/x86/block_table.h"
#include "models/x86/engine/physical_memory.h"
#include "models/x86/fast/block_code.h"
#include "models/x86/fast/block_finder.h"
#include "models/x86/fast/block_gate.h"
#include "models/x86/fast/call_site.h"
#include "models/x86/fast/engine_tlb.h"

namespace xensim::x86 {

class LiveState;
class SoftCpu;

class FastPaths {
 public:
  // For `engine`, which is fresh. nullptr where it is to be used plainly: its build is not a known one, or no gate can
  // be near its code. `build_id`: SoftCpuConfig's.
  static std::unique_ptr<FastPaths> make(SoftCpu& cpu, Engine& engine, PhysicalMemory& memory,
                                         const std::string& build_id);
  // Is there room for a gate near this engine's code? It would be in the same place of another engine of this process.
  static bool gate_fits(const Engine& engine);
  ~FastPaths();

  // The UC_HOOK_BLOCK callback and its argument.
  const void* hook() const { return gate_.hook(); }
  BlockGate::State& state() { return gate_.state(); }
  BlockCount& count() { return gate_.state().count; }

  // A block without a tag runs, called from the engine's code, which that call returns to. Gives the call its tag and
  // lets the block count itself (`rewrite`: not where points are set). Where it goes on.
  const void* take(const Block& block, const void* returns_to, bool rewrite, bool& calls_gate);
  // Does no block, of those that were taken, set IF without a call of the gate?
  bool all_reworked() const { return block_code_.all_reworked(); }
  // Is the running processor in long mode with IF clear? false: it is not known where its state is.
  bool interrupts_closed_in_long_mode() const;

  bool code_half_full() const { return finder_.half_full(); }
  void code_flushed() { finder_.forget_code(); }
  void memory_moved() { finder_.forget(); }

  // For tests.
  const BlockCode& block_code() const { return block_code_; }
  const BlockGate& gate() const { return gate_; }
  const BlockFinder& finder() const { return finder_; }
  const EngineTlb& tlb() const { return tlb_; }
  // Instructions that were served without leaving their blocks.
  uint64_t served_in_place() const { return served_in_place_; }

 private:
  FastPaths(SoftCpu& cpu, Engine& engine, PhysicalMemory& memory);

  // in_place.cc: called by the gate.
  static FastPaths& of(BlockGate::State* state) { return *static_cast<FastPaths*>(state->program.owner); }
  static const void* slow_block(void* uc, uint64_t pc, uint32_t size_or_tag, BlockGate::State* state,
                                const void* returns_to);
  static void interrupts_may_open(BlockGate::State* state);
  static bool serve_in_place(std::byte* env, uint64_t argument, BlockGate::State* state, unsigned what);
  bool is_live_state(std::byte* env);
  static const void* find_block(std::byte* env, BlockGate::State* state);
  static std::byte* fill_tlb(std::byte* env, uint64_t address, uint32_t use, BlockGate::State* state, unsigned access);
  static void prove_tlb(std::byte* env, uint64_t address, uint32_t use, BlockGate::State* state);
  bool rdtsc_in_place(LiveState& live, bool with_aux);
  bool pause_in_place(LiveState& live, uint64_t length);

  SoftCpu& cpu_;
  Engine& engine_;
  BlockGate gate_;
  CallSites call_sites_;
  BlockCode block_code_;
  EngineTlb tlb_;
  BlockFinder finder_;
  uint64_t served_in_place_ = 0;
  std::byte* live_env_ = nullptr;  // CPUX86State, once it is known where that is
};

}  // namespace xensim::x86
