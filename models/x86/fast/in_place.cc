// What the gate calls (block_gate.h). Instructions that are served in the middle of a block, by a call from translated
// code: uc_emu_start is not left, no state is copied, and the rest of the block goes on.
#include "models/base/check.h"
#include "models/x86/fast/block_gate_layout.h"
#include "models/x86/fast/fast_paths.h"
#include "models/x86/fast/live_state.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {

const void* FastPaths::slow_block(void*, uint64_t pc, uint32_t size_or_tag, BlockGate::State* state,
                                  const void* returns_to) {
  return of(state).cpu_.slow_block(pc, size_or_tag, returns_to);
}

void FastPaths::interrupts_may_open(BlockGate::State* state) { of(state).cpu_.interrupts_may_open(); }

// Compared once for each engine: CPUX86State could be another engine's, or not where the layout has it.
bool FastPaths::is_live_state(std::byte* env) {
  if (env == live_env_) return true;
  if (live_env_ || !LiveState(env, engine_.layout()).is_of(Context(engine_.get()))) return false;
  live_env_ = env;
  return true;
}

bool FastPaths::serve_in_place(std::byte* env, uint64_t argument, BlockGate::State* state, unsigned what) {
  FastPaths& fast = of(state);
  SoftCpu& cpu = fast.cpu_;
  if (cpu.exit_ || cpu.failure_ || cpu.engine_fails_ || !fast.is_live_state(env)) return false;
  LiveState live(env, fast.engine_.layout());
  cpu.begin_hook();
  bool served = cpu.block_ != nullptr;
  if (served) {
    cpu.synced_ = false;
    cpu.guarded([&] {
      served = what == GATE_SERVE_PAUSE ? fast.pause_in_place(live, argument)
                                        : fast.rdtsc_in_place(live, what == GATE_SERVE_RDTSCP);
    });
    cpu.synced_ = false;
  }
  cpu.end_hook();
  if (served) ++fast.served_in_place_;
  return served;
}

bool FastPaths::rdtsc_in_place(LiveState& live, bool with_aux) {
  if ((live.cr(4) & cr4::kTsd) && live.cpl() != 0) return false;
  cpu_.settle(live.linear_rip());
  const uint64_t tsc = cpu_.read_tsc();
  live.set_gpr(kRax, tsc & 0xffffffff);
  live.set_gpr(kRdx, tsc >> 32);
  if (with_aux) live.set_gpr(kRcx, live.tsc_aux() & 0xffffffff);
  return true;
}

// A PAUSE is its block's last instruction; where it ends the slice, the next block comes to the gate, and no further.
bool FastPaths::pause_in_place(LiveState& live, uint64_t length) {
  Vcpu& vcpu = *cpu_.current_;
  if (live.single_steps() || live.shadow() || vcpu.owed_shadow) return false;
  cpu_.settle(live.linear_rip());
  vcpu.nmi_late = false;
  const CpuAction action = cpu_.client_.pause(VcpuId{cpu_.loaded_});
  live.set_rip(live.rip() + length);
  vcpu.retired += cpu_.open_;
  cpu_.block_ = nullptr;
  cpu_.done_ = cpu_.open_ = 0;
  if (action == CpuAction::kSuspend && !cpu_.exit_) {
    cpu_.exit_ = CpuExit::kSuspended;
    engine_.stop();
  }
  cpu_.attend();
  return true;
}

const void* FastPaths::find_block(std::byte* env, BlockGate::State* state) {
  FastPaths& fast = of(state);
  if (state->tlb_known == 1 && fast.is_live_state(env)) {
    fast.finder_.use(env);
    state->program.find = [](std::byte* known, BlockGate::State* known_state) {
      return of(known_state).finder_.find(known);
    };
  }
  return fast.finder_.find(env);
}

// At a store that the engine's TLB does not let pass: is the TLB as block_gate_layout.h has it? One store that the
// engine only wants to see will do.
void FastPaths::prove_tlb(std::byte* env, uint64_t address, uint32_t use, BlockGate::State* state) {
  if (const auto proven = of(state).tlb_.prove(env, address, use & GATE_TLB_USES)) state->tlb_known = *proven ? 1 : 2;
}

std::byte* FastPaths::fill_tlb(std::byte* env, uint64_t address, uint32_t use, BlockGate::State* state,
                               unsigned access) {
  FastPaths& fast = of(state);
  if (!fast.is_live_state(env)) return nullptr;
  return fast.tlb_.fill(env, address, use & GATE_TLB_USES, access == GATE_FILL_WRITE ? Access::kWrite : Access::kRead);
}

}  // namespace xensim::x86
