#include "models/x86/fast/fast_paths.h"

#include "models/x86/fast/known_builds.h"
#include "models/x86/fast/live_state.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {

std::unique_ptr<FastPaths> FastPaths::make(SoftCpu& cpu, Engine& engine, PhysicalMemory& memory,
                                           const std::string& build_id) {
  if (!why_no_fast_paths(build_id.empty() ? engine_build_id() : build_id).empty()) return nullptr;
  std::unique_ptr<FastPaths> made(new FastPaths(cpu, engine, memory));
  return made->gate_.counted() ? std::move(made) : nullptr;
}

bool FastPaths::gate_fits(const Engine& engine) {
  return BlockGate({}, Engine::functions(), engine.code()).counted() != nullptr;
}

FastPaths::FastPaths(SoftCpu& cpu, Engine& engine, PhysicalMemory& memory)
    : cpu_(cpu),
      engine_(engine),
      gate_({.owner = this,
             .engine = engine.get(),
             .slow = &FastPaths::slow_block,
             .serve = &FastPaths::serve_in_place,
             .opens = &FastPaths::interrupts_may_open,
             .prove = &FastPaths::prove_tlb,
             .code_pages = memory.code_pages(),
             .find = &FastPaths::find_block,
             .fill = &FastPaths::fill_tlb},
            Engine::functions(), engine.code()),
      call_sites_(gate_.hook(), &gate_.state(), engine.code()),
      block_code_(gate_),
      tlb_(engine.layout(), memory),
      finder_(engine.layout(), tlb_, call_sites_, gate_.state().functions.lookup) {}

FastPaths::~FastPaths() = default;

const void* FastPaths::take(const Block& block, const void* returns_to, bool rewrite, bool& calls_gate) {
  if (block.tag == 0 || !call_sites_.renumber(returns_to, block.size, block.tag)) return returns_to;
  finder_.on_new_code(reinterpret_cast<uintptr_t>(returns_to));
  if (!rewrite) return returns_to;
  const auto counting = block.charge != Block::kSlow                               ? BlockCode::Counting::kCharge
                        : block.starts_with_rep() && block.special == Block::kNone ? BlockCode::Counting::kIterations
                                                                                   : BlockCode::Counting::kGate;
  calls_gate = true;
  return block_code_.rewrite({static_cast<const uint8_t*>(returns_to), block.pc, block.tag, counting},
                             call_sites_.code_begin(), call_sites_.code_end());
}

bool FastPaths::interrupts_closed_in_long_mode() const {
  if (!live_env_) return false;
  const LiveState live(live_env_, engine_.layout());
  return live.long_mode() && !live.interrupts_on();
}

}  // namespace xensim::x86
