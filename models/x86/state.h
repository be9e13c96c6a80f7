// One vCPU's CPU state in terms of the architecture: a view of a Context. The engine's derived flags (mode, CPL, lazily
// kept arithmetic flags) are kept consistent by the setters.
#pragma once

#include "models/base/cpu.h"
#include "models/x86/arch.h"
#include "models/x86/engine/engine.h"
#include "models/x86/saved_cpu.h"

namespace xensim::x86 {

// What CPUID 1 says, and EDX after a reset: family 6, model 0x3d, stepping 4. Later models would make kernels look for,
// or complain of, mitigations that are no business of a processor which does not speculate.
inline constexpr uint32_t kProcessorSignature = 0x306d4;

// Owns one Context. Values are those of the last load(); store() makes them the engine's.
class State {
 public:
  explicit State(const Engine& engine);

  // Takes the engine's present state.
  void load(uc_engine* uc);
  void store(uc_engine* uc) const { context_.restore(uc); }
  // Everything as after power-up, in real mode at F000:FFF0 (SDM vol. 3, table 10-1).
  void reset(const Engine& engine);
  // All of it that the architecture knows (saved_cpu.h); restore makes the rest as after a reset.
  void save(SavedVcpu& saved) const;
  void restore(const Engine& engine, const SavedVcpu& saved);

  uint64_t gpr(unsigned index) const { return context_.get<uint64_t>(at_.regs + 8 * index); }
  void set_gpr(unsigned index, uint64_t value) { context_.set(at_.regs + 8 * index, value); }
  uint64_t rip() const { return context_.get<uint64_t>(at_.rip); }
  void set_rip(uint64_t value) { context_.set(at_.rip, value); }
  uint64_t rflags() const;
  void set_rflags(uint64_t value);
  SegmentRegister segment(unsigned index) const;
  void set_segment(unsigned index, const SegmentRegister& value);
  TableRegister gdtr() const { return table(at_.gdtr); }
  TableRegister idtr() const { return table(at_.idtr); }
  void set_gdtr(const TableRegister& value) { set_table(at_.gdtr, value); }
  void set_idtr(const TableRegister& value) { set_table(at_.idtr, value); }
  uint64_t cr(unsigned index) const { return context_.get<uint64_t>(at_.cr + 8 * index); }
  void set_cr(unsigned index, uint64_t value) { context_.set(at_.cr + 8 * index, value); }
  uint64_t efer() const { return context_.get<uint64_t>(at_.efer); }
  void set_efer(uint64_t value) { context_.set(at_.efer, value); }
  uint64_t dr(unsigned index) const { return context_.get<uint64_t>(at_.dr + 8 * index); }
  void set_dr(unsigned index, uint64_t value) { context_.set(at_.dr + 8 * index, value); }
  uint64_t word(size_t offset) const { return context_.get<uint64_t>(offset); }
  void set_word(size_t offset, uint64_t value) { context_.set(offset, value); }
  uint32_t sysenter_cs() const { return context_.get<uint32_t>(at_.sysenter_cs); }
  void set_sysenter_cs(uint32_t value) { context_.set(at_.sysenter_cs, value); }
  const EnvLayout& layout() const { return at_; }

  // The interrupt shadow after STI, MOV SS and POP SS.
  bool shadow() const { return (hflags() & kInhibit) != 0; }
  void set_shadow(bool on) { set_hflags(on ? hflags() | kInhibit : hflags() & ~kInhibit); }
  // The engine wants CR4.OSFXSR for instructions on general registers too where they stand in SSE's opcode maps. Makes
  // it believe so until its flags are derived anew (by any exception, or a write to CR4). False: it does already.
  bool admit_sse() {
    const bool had = (hflags() & kOsfxsr) != 0;
    set_hflags(hflags() | kOsfxsr);
    return !had;
  }
  // An NMI is being handled: the engine reports the next IRET.
  bool nmis_blocked() const;
  void set_nmis_blocked(bool blocked);
  unsigned cpl() const { return hflags() & 3; }
  // Sets CPL and derives the engine's mode flags from the control and segment registers. To be called after any was
  // set.
  void set_cpl(unsigned cpl);

  bool protected_mode() const { return (cr(0) & cr0::kPe) != 0; }
  bool vm86() const { return (context_.get<uint64_t>(at_.rflags) & flag::kVm) != 0; }
  bool long_mode() const { return (efer() & efer::kLma) != 0; }
  bool code64() const { return (hflags() & kCs64) != 0; }
  bool code32() const { return (hflags() & kCs32) != 0; }
  CpuMode mode() const;
  // Do page tables mean the same to both, and are they the same?
  bool translates_as(const State& other) const;
  // The linear address that RIP stands for.
  uint64_t linear_rip() const;
  // RIP moved on by `bytes`, within the size of the code segment.
  void advance_rip(uint64_t bytes);

  // What the engine reported with the last exception.
  uint32_t error_code() const { return context_.get<uint32_t>(at_.error_code); }
  bool exception_is_int() const { return context_.get<uint32_t>(at_.exception_is_int) != 0; }
  void clear_exception() { context_.set<int32_t>(at_.old_exception, -1); }

  // The engine's mode flags.
  static constexpr uint32_t kInhibit = 1u << 3, kCs32 = 1u << 4, kSs32 = 1u << 5, kAddseg = 1u << 6, kPeFlag = 1u << 7;
  static constexpr uint32_t kLma = 1u << 14, kCs64 = 1u << 15, kGuest = 1u << 21, kOsfxsr = 1u << 22, kSmap = 1u << 23;

 private:
  uint32_t hflags() const { return context_.get<uint32_t>(at_.hflags); }
  void set_hflags(uint32_t value) { context_.set(at_.hflags, value); }
  size_t segment_offset(unsigned index) const;
  TableRegister table(size_t offset) const;
  void set_table(size_t offset, const TableRegister& value);

  const EnvLayout& at_;
  Context context_;
};

}  // namespace xensim::x86
