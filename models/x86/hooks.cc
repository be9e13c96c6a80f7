// What the engine calls. Each hook enters the class, keeps exceptions away from the engine's frames, and hands changed
// state back on its way out.
#include <fmt/format.h>

#include "models/base/check.h"
#include "models/x86/engine/must.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {

struct Hooks {
  template <class F>
  static void run(void* user, F&& body) noexcept {
    auto& cpu = *static_cast<SoftCpu*>(user);
    cpu.begin_hook();
    cpu.synced_ = false;
    cpu.look_at_blocks();
    cpu.guarded([&] {
      body(cpu);
      cpu.write_back();
    });
    cpu.dirty_ = false;
    cpu.synced_ = false;
    cpu.end_hook();
  }

  static void new_block(uc_engine*, uc_tb* block, uc_tb*, void* user) noexcept {
    run(user, [&](SoftCpu& cpu) { cpu.on_new_block(block->pc, block->size, block->icount); });
  }
  static void interrupt(uc_engine*, uint32_t vector, void* user) noexcept {
    run(user, [&](SoftCpu& cpu) { cpu.on_interrupt(vector); });
  }
  static bool invalid(uc_engine*, void* user) noexcept {
    run(user, [&](SoftCpu& cpu) { cpu.on_invalid(); });
    return true;
  }
  static void syscall(uc_engine*, void* user) noexcept {
    run(user, [](SoftCpu& cpu) { cpu.on_syscall(); });
  }
  static void sysenter(uc_engine*, void* user) noexcept {
    run(user, [](SoftCpu& cpu) { cpu.on_sysenter(); });
  }
  static void point(uc_engine*, uint64_t address, uint32_t, void* user) noexcept {
    run(user, [&](SoftCpu& cpu) { cpu.on_point(address); });
  }
};

Status SoftCpu::add_hooks() {
  struct Row {
    int type;
    void* function;
    int instruction;
    void* user;
  };
  const auto [block_function, block_user] = block_hook();
  const Row rows[] = {
      {UC_HOOK_BLOCK, block_function, 0, block_user},
      {UC_HOOK_EDGE_GENERATED, reinterpret_cast<void*>(&Hooks::new_block), 0, this},
      {UC_HOOK_INTR, reinterpret_cast<void*>(&Hooks::interrupt), 0, this},
      {UC_HOOK_INSN_INVALID, reinterpret_cast<void*>(&Hooks::invalid), 0, this},
      {UC_HOOK_INSN, reinterpret_cast<void*>(&Hooks::syscall), UC_X86_INS_SYSCALL, this},
      {UC_HOOK_INSN, reinterpret_cast<void*>(&Hooks::sysenter), UC_X86_INS_SYSENTER, this},
  };
  for (const Row& row : rows) {
    uc_hook hook = 0;
    const uc_err err = uc_hook_add(engine_->get(), &hook, row.type, row.function, row.user, 1, 0, row.instruction);
    if (err != UC_ERR_OK) return environment_error(fmt::format("Unicorn refuses a hook: {}", uc_strerror(err)));
  }
  return {};
}

Status SoftCpu::set_points(std::span<const Gva> addresses) {
  XS_CHECK(!running_);
  for (const uc_hook hook : point_hooks_) must(uc_hook_del(engine_->get(), hook));
  point_hooks_.clear();
  for (const Gva address : addresses) {
    uc_hook hook = 0;
    const uc_err err = uc_hook_add(engine_->get(), &hook, UC_HOOK_CODE, reinterpret_cast<void*>(&Hooks::point), this,
                                   address.v, address.v);
    if (err != UC_ERR_OK) return environment_error(fmt::format("Unicorn refuses a hook: {}", uc_strerror(err)));
    point_hooks_.push_back(hook);
  }
  // Blocks that were translated before know nothing of the new hooks.
  flush_code();
  return {};
}

}  // namespace xensim::x86
