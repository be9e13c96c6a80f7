// Instructions that are served in the middle of a block, by a call from translated code (block_code.h): the engine is
// not left, no state is copied, and the rest of the block goes on.
#include "models/base/check.h"
#include "models/x86/fast/block_gate_layout.h"
#include "models/x86/fast/live_state.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {

// Once an engine: whoever calls could be another engine's code, or the state could be elsewhere.
bool SoftCpu::is_live_state(std::byte* env) {
  if (env == live_env_) return true;
  if (live_env_ || !LiveState(env, engine_->layout()).is_of(Context(engine_->get()))) return false;
  live_env_ = env;
  return true;
}

bool SoftCpu::serve_in_place(std::byte* env, uint64_t argument, BlockGate::State* state, unsigned what) {
  auto& cpu = *static_cast<SoftCpu*>(state->program.owner);
  if (cpu.exit_ || cpu.failure_ || cpu.engine_fails_ || !cpu.is_live_state(env)) return false;
  LiveState live(env, cpu.engine_->layout());
  cpu.begin_hook();
  bool served = cpu.block_ != nullptr;
  if (served) {
    cpu.synced_ = false;
    cpu.guarded([&] {
      served = what == GATE_SERVE_PAUSE ? cpu.pause_in_place(live, argument)
                                        : cpu.rdtsc_in_place(live, what == GATE_SERVE_RDTSCP);
    });
    cpu.synced_ = false;
  }
  cpu.end_hook();
  if (served) ++cpu.served_in_place_;
  return served;
}

bool SoftCpu::rdtsc_in_place(LiveState& live, bool with_aux) {
  if ((live.cr(4) & cr4::kTsd) && live.cpl() != 0) return false;
  settle(live.linear_rip());
  const uint64_t tsc = read_tsc();
  live.set_gpr(kRax, tsc & 0xffffffff);
  live.set_gpr(kRdx, tsc >> 32);
  if (with_aux) live.set_gpr(kRcx, live.tsc_aux() & 0xffffffff);
  return true;
}

// A PAUSE is its block's last instruction; where it ends the slice, the next block comes to the gate, and no further.
bool SoftCpu::pause_in_place(LiveState& live, uint64_t length) {
  if (live.single_steps() || live.shadow() || current_->owed_shadow) return false;
  settle(live.linear_rip());
  current_->nmi_late = false;
  const CpuAction action = client_.pause(VcpuId{loaded_});
  live.set_rip(live.rip() + length);
  current_->retired += open_;
  block_ = nullptr;
  done_ = open_ = 0;
  if (action == CpuAction::kSuspend && !exit_) {
    exit_ = CpuExit::kSuspended;
    uc_emu_stop(engine_->get());
  }
  attend();
  return true;
}

const void* SoftCpu::find_block(std::byte* env, BlockGate::State* state) {
  auto& cpu = *static_cast<SoftCpu*>(state->program.owner);
  if (state->tlb_known == 1 && cpu.is_live_state(env)) {
    cpu.finder_.use(env);
    state->program.find = [](std::byte* known, BlockGate::State* of) {
      return static_cast<SoftCpu*>(of->program.owner)->finder_.find(known);
    };
  }
  return cpu.finder_.find(env);
}

// At a store that the engine's TLB does not let pass: is the TLB as block_gate_layout.h has it? One store that the
// engine only wants to see will do.
void SoftCpu::prove_tlb(std::byte* env, uint64_t address, uint32_t use, BlockGate::State* state) {
  auto& cpu = *static_cast<SoftCpu*>(state->program.owner);
  if (const auto proven = cpu.tlb_.prove(env, address, use & GATE_TLB_USES)) state->tlb_known = *proven ? 1 : 2;
}

std::byte* SoftCpu::fill_tlb(std::byte* env, uint64_t address, uint32_t use, BlockGate::State* state, unsigned access) {
  auto& cpu = *static_cast<SoftCpu*>(state->program.owner);
  if (!cpu.is_live_state(env)) return nullptr;
  return cpu.tlb_.fill(env, address, use & GATE_TLB_USES, access == GATE_FILL_WRITE ? Access::kWrite : Access::kRead);
}

}  // namespace xensim::x86
