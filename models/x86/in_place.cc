// Instructions that are served in the middle of a block, by a call from translated code (block_code.h): the engine is
// not left, no state is copied, and the rest of the block goes on.
#include "models/base/check.h"
#include "models/x86/block_gate_layout.h"
#include "models/x86/live_state.h"
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
  auto& cpu = *static_cast<SoftCpu*>(state->owner);
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
  if ((live.cr4() & cr4::kTsd) && live.cpl() != 0) return false;
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

// At a store that the engine's TLB does not let pass: is what block_gate.S would make of it what memory_ knows? One that
// the engine only wants to see will do.
void SoftCpu::prove_stores(std::byte* env, uint64_t address, uint32_t use, BlockGate::State* state) {
  const auto word = [](const std::byte* at) {
    uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  const std::byte* const table = env + GATE_TLB + 16 * (use & GATE_TLB_USES);
  const uint64_t mask = word(table), entries = (mask >> GATE_ENTRY_SHIFT) + 1, page = address & ~(kPageSize - 1);
  const bool shaped = mask % (1 << GATE_ENTRY_SHIFT) == 0 && entries >= 2 && entries <= 1 << 22 &&
                      (entries & (entries - 1)) == 0 && word(table + 8) != 0 && word(table + 8) % 8 == 0;
  if (!shaped) {
    state->stores = 2;
    return;
  }
  const auto* entry =
      reinterpret_cast<const std::byte*>(word(table + 8) + (address >> (kPageShift - GATE_ENTRY_SHIFT) & mask));
  if (word(entry + GATE_ENTRY_WRITE) != (page | GATE_SEES_STORES)) return;
  const auto& cpu = *static_cast<const SoftCpu*>(state->owner);
  const std::byte* const host = cpu.memory_.ram(word(entry + GATE_ENTRY_PHYSICAL));
  state->stores = host && reinterpret_cast<uint64_t>(host) == page + word(entry + GATE_ENTRY_ADDEND) ? 1 : 2;
}

}  // namespace xensim::x86
