// The software CPU's class; shared by soft_cpu.cc (the Cpu interface), hooks.cc (what the engine calls), accounting.cc
// (counts and cuts) and intercepts.cc (instructions that are served outside the engine).
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/x86/block_count.h"
#include "models/x86/block_table.h"
#include "models/x86/delivery.h"
#include "models/x86/engine/physical_memory.h"
#include "models/x86/msr.h"
#include "models/x86/operands.h"
#include "models/x86/soft_cpu.h"

namespace xensim::x86 {

class FastPaths;

struct Vcpu {
  explicit Vcpu(const Engine& engine) : state(engine) {}

  State state;  // valid while the vCPU is not in the engine, or SoftCpu::synced_
  MsrFile msrs;
  uint64_t retired = 0;
  bool interrupt = false;  // raise_interrupt was called
  bool nmi = false;        // raise_nmi was called; State::nmis_blocked says whether it must wait
  bool nmi_late = false;   // SoftCpuConfig::nmi_waits_for_exit: it waited for an IRET, and now for that
  bool waiting_for_sipi = false;
  bool owed_shadow = false;  // the instruction before RIP was STI or MOV SS, run by itself: its shadow is still to come
  bool armed = false;        // DR7 enables a breakpoint: the vCPU runs one instruction at a time
  uint8_t debug_hits = 0;    // breakpoints met by the last instruction, to be told of after it
  bool after_mov_ss = false;  // the last instruction was one, while armed
  bool init_held = false;     // an INIT came in the middle of a block, and waits as other requests do
  uint64_t hold_until = 0;    // requests made inside a block act from this count on
  bool skip_point = false;    // the point at RIP was already reported
};

class SoftCpu final : public Cpu, public MmioSink {
 public:
  SoftCpu(CpuClient& client, std::unique_ptr<Engine> engine, const SoftCpuConfig& config);
  ~SoftCpu() override;
  Status add_hooks();

  CpuExit run(VcpuId vcpu, uint64_t max_instructions) override;
  uint64_t instructions(VcpuId vcpu) const override;
  void limit_slice(uint64_t more) override;
  void request_stop() override;
  void raise_interrupt(VcpuId vcpu) override;
  void raise_nmi(VcpuId vcpu) override;
  bool nmi_ready(VcpuId vcpu) const override;
  CpuRegs regs(VcpuId vcpu) const override;
  void set_regs(VcpuId vcpu, const CpuRegs& regs) override;
  uint64_t gpr(VcpuId vcpu, Gpr reg) const override;
  void set_gpr(VcpuId vcpu, Gpr reg, uint64_t value) override;
  CpuMode mode(VcpuId vcpu) const override;
  unsigned cpl(VcpuId vcpu) const override;
  void complete_hypercall(VcpuId vcpu) override;
  void init(VcpuId vcpu) override;
  void startup(VcpuId vcpu, uint8_t vector) override;
  Status map_memory(Gpa gpa, std::span<std::byte> host, bool writable) override;
  void unmap_memory(Gpa gpa, uint64_t bytes) override;
  Status map_mmio(Gpa gpa, uint64_t bytes) override;
  void invalidate_code(Gpa gpa, uint64_t bytes) override;
  std::optional<Gpa> translate(VcpuId vcpu, Gva gva, Access access) override;
  Status set_points(std::span<const Gva> addresses) override;
  std::string error() const override { return error_; }
  std::vector<std::byte> save_state() override;
  Status restore_state(std::span<const std::byte> bytes) override;

  uint64_t mmio_load(uint64_t gpa, unsigned bytes) override;
  void mmio_store(uint64_t gpa, unsigned bytes, uint64_t value) override;
  void mmio_begin() override;
  void access_failed() override;

  // nullptr: the engine is used plainly.
  const FastPaths* fast() const { return fast_.get(); }

 private:
  friend struct Hooks;
  friend class FastPaths;
  static constexpr uint64_t kNone = ~uint64_t{0};

  // soft_cpu.cc
  Vcpu& vcpu(VcpuId id) { return *vcpus_.at(id.v); }
  const Vcpu& vcpu(VcpuId id) const { return *vcpus_.at(id.v); }
  void enter(uint32_t index);
  State& state();                    // of the vCPU in the engine
  State& state_of(VcpuId id) const;  // of any
  void changed() { dirty_ = true; }  // state() was changed
  void write_back();                 // makes the changes the engine's
  CpuExit leave(CpuExit exit);
  CpuExit fetched_outside_ram();
  template <class F>
  void guarded(F&& body) noexcept;

  // accounting.cc
  std::pair<void*, void*> block_hook();  // UC_HOOK_BLOCK's callback and its argument
  static void on_block(void* uc, uint64_t pc, uint32_t size, void* user);
  const void* slow_block(uint64_t pc, uint32_t size_or_tag, const void* returns_to);
  void make_room();
  void flush_code();
  void on_new_block(uint64_t pc, uint32_t size, uint32_t count);
  // The way of a repeated string instruction's next iteration, where the last one said how many there are, and its call
  // has no tag.
  bool on_repeat(uint64_t pc, uint32_t size_or_tag) {
    if (count_->repeat_left == 0 || pc != repeat_block_->pc || size_or_tag != repeat_block_->size) return false;
    --count_->repeat_left;
    count_->last = BlockCount::kRepeat;
    return true;
  }
  void no_repeats() { count_->repeat_left = repeat_given_ = 0; }
  void begin_hook();
  void end_hook();
  const void* on_first_run(uint64_t pc, uint32_t size, const void* returns_to);
  void on_slow_block(Block& block);
  Block& refreshed(Block* block, uint64_t pc, uint32_t size);
  void run_block(Block& block, uint64_t room);
  uint64_t repeats_left(const Block& block) const;
  bool at_rep_end(const Block& block);
  bool take_interrupt();
  void wait_for_if();
  void look_at_blocks();
  void interrupts_may_open();
  bool take_nmi();
  bool interrupts_open();
  void divert();
  void step_one(const Block& block);
  void settle();
  void settle(uint64_t linear_rip);
  void close_block();
  uint32_t index_in_block(uint64_t linear_rip) const;
  void attend();
  bool requests_held() const { return current_->retired < current_->hold_until; }
  std::vector<uint8_t> code_at(uint64_t linear, uint32_t size);

  // intercepts.cc
  void on_interrupt(uint32_t vector);
  bool before_next_block(uint32_t vector);
  bool on_invalid();
  void on_syscall();
  void on_sysenter();
  void on_point(uint64_t address);
  void on_intercept(unsigned exit_code);
  void serve_special(const Block& block);
  void serve_icebp();
  void serve_ports();
  void serve_string_port(const Prefixes& prefixes, uint8_t opcode, uint16_t port, unsigned bytes);
  bool port_allowed(uint16_t port, unsigned bytes);
  void serve_cpuid();
  uint64_t read_tsc();
  void serve_rdtsc(bool with_aux);
  void serve_msr();
  void serve_pause();
  void serve_halt();
  void serve_hypercall(unsigned length);
  void serve_debug_register();

  // debug.cc
  bool take_debug_trap();
  bool at_breakpoint(const Block& block, bool repeats);
  bool single_step_trap(uint64_t next_in_line);

  // control_registers.cc
  void serve_control_register();
  void serve_cr8_read();
  bool set_cr0(uint64_t value);
  bool set_cr3(uint64_t value);
  bool set_cr4(uint64_t value);
  bool pdptes_valid(uint64_t cr3);
  uint16_t lmsw_operand(std::span<const uint8_t> bytes, const Prefixes& prefixes);

  void begin_iret();
  Instruction instruction_here(std::vector<uint8_t>& bytes);
  bool step_over(unsigned length);
  void check_operands(Event& event);
  void raise(uint8_t vector, uint32_t code = 0, uint64_t cr2 = 0);
  void deliver_event(const Event& event);
  void stop(CpuExit exit);

  CpuClient& client_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  PhysicalMemory memory_;
  const bool whole_blocks_;  // SoftCpuConfig's
  const bool nmi_waits_for_exit_;
  const bool fetch_outside_ram_halts_;
  BlockTable blocks_;
  OperandDecoder operands_;
  // Plainly: what blocks ran last, by address, so that few are looked for in `blocks_`.
  struct Recent {
    uint64_t pc = 0;
    uint32_t size = 0;
    Block* block = nullptr;
  };
  static constexpr unsigned kRecentBits = 12;
  std::vector<Recent> recent_;
  BlockCount plain_count_;
  std::unique_ptr<FastPaths> fast_;
  BlockCount* count_ = &plain_count_;  // the gate's where there is one
  std::vector<uc_hook> point_hooks_;

  // The vCPU in the engine, and whether its State is the engine's own at the moment.
  uint32_t loaded_ = ~0u;
  Vcpu* current_ = nullptr;
  mutable bool synced_ = false;
  bool dirty_ = false;

  // The slice: it ends at count `limit_`. `attention_` is what blocks are compared with: the limit, or 0 where each
  // block must be looked at.
  bool running_ = false;
  uint64_t limit_ = 0, attention_ = 0;
  bool stop_requested_ = false;
  std::optional<CpuExit> exit_;
  std::exception_ptr failure_;
  bool engine_fails_ = false;  // it stops with an error of its own
  std::string error_;

  // While blocks run without a look, by `count_`: its room and the count of all instructions, the last block's
  // included, add up to `top_`. begin_hook() makes `retired` and what follows below of these, end_hook() these of
  // those.
  uint64_t top_ = 0;
  // Iterations of the repeated string instruction that runs now which need no look: neither its last pass nor the
  // slice's end is among them. A request of any kind takes them away. The room is 0 meanwhile.
  uint64_t repeat_given_ = 0;  // and `count_` has what is left of them
  Block* repeat_block_ = nullptr;

  // The block that runs: `done_` of its instructions are in `retired` already, `open_` are not yet.
  Block* block_ = nullptr;
  Block scratch_;            // of an ambiguous key
  bool calls_gate_ = false;  // the block calls the gate where it may set IF
  uint32_t done_ = 0, open_ = 0;
  bool stepping_ = false;     // the next block is one instruction, run by itself to cut a longer one
  uint64_t rep_pc_ = kNone;   // the repeated string instruction that the last block ended in
  bool stepped_ = false;      // block_ is such a one
  uint64_t natural_end_ = 0;  // count at the end of the block as the engine would run it whole; known once settled
  bool in_block_ = false;     // the client is called in the middle of a block, which goes on to its natural end
};

// Runs `body` at the engine's edge: an exception is kept, the engine stopped, and run() throws it again.
template <class F>
void SoftCpu::guarded(F&& body) noexcept {
  try {
    body();
  } catch (...) {
    if (!failure_) failure_ = std::current_exception();
    attend();
    engine_->stop();
  }
}

}  // namespace xensim::x86
