#include "models/x86/delivery.h"

#include <fmt/format.h>

#include "models/x86/debug.h"
#include "models/x86/segments.h"
#include "models/x86/task_switch.h"

namespace xensim::x86 {
namespace {

// One attempt to deliver one event. Everything is read and pushed first; the state changes at the end, so that a Fault
// on the way leaves it as it was.
class Attempt {
 public:
  Attempt(GuestAccess& access, State& state, const Event& event)
      : access_(access), state_(state), event_(event), ext_(event.kind == EventKind::kSoftware ? 0 : 1) {}

  void run() {
    if (!state_.protected_mode()) return real_mode();
    read_gate();
    if (gate_.type == kTaskGate) return switch_task();
    choose_code();
    if (long_mode_) {
      choose_long_stack();
      push_long_frame();
    } else {
      choose_legacy_stack();
      push_legacy_frame();
    }
    commit();
  }

  // The task that was entered wants a #DB before its first instruction.
  bool debug_trap() const { return debug_trap_; }

 private:
  static constexpr unsigned kTaskGate = 5;
  struct Gate {
    uint16_t selector = 0;
    uint64_t offset = 0;
    unsigned type = 0, dpl = 0, ist = 0;
    bool present = false;
    bool wide() const { return (type & 8) != 0; }       // 32- or 64-bit, not 16-bit
    bool clears_if() const { return (type & 1) == 0; }  // interrupt gate, not trap gate
  };

  [[noreturn]] void fault(uint8_t vector, uint32_t code) const { throw Fault{vector, code, 0}; }
  uint32_t idt_code() const { return event_.vector * 8u + 2 + ext_; }

  bool pushes_code() const {
    return (event_.kind == EventKind::kFault || event_.kind == EventKind::kTrap) && has_error_code(event_.vector);
  }

  uint64_t pushed_flags() const {
    // A fault's image has RF set, so that IRET runs the instruction again without its breakpoint (SDM vol.
    // 3, 17.3.1.1).
    return state_.rflags() | (event_.kind == EventKind::kFault && event_.vector != kDebug ? flag::kRf : 0);
  }

  void real_mode() {
    const TableRegister ivt = state_.idtr();
    if (event_.vector * 4u + 3 > ivt.limit) fault(kGeneralProtection, 0);
    const uint64_t entry = access_.load(ivt.base + event_.vector * 4u, 4, false);
    const SegmentRegister ss = state_.segment(kSs);
    const bool wide = (ss.attributes & seg::kDb) != 0;
    uint64_t sp = state_.gpr(kRsp);
    const auto push = [&](uint64_t value) {
      const uint64_t mask = wide ? 0xffffffff : 0xffff;
      const uint64_t next = (sp - 2) & mask;
      if (next + 1 > ss.limit) fault(kStackFault, 0);
      access_.store((ss.base + next) & 0xffffffff, 2, value & 0xffff, false);
      sp = (sp & ~mask) | next;
    };
    push(state_.rflags());
    push(state_.segment(kCs).selector);
    push(state_.rip());
    state_.set_gpr(kRsp, sp);
    SegmentRegister cs = state_.segment(kCs);
    cs.selector = static_cast<uint16_t>(entry >> 16);
    cs.base = uint64_t{cs.selector} << 4;
    state_.set_segment(kCs, cs);
    state_.set_rip(entry & 0xffff);
    state_.set_rflags(state_.rflags() & ~(flag::kIf | flag::kTf | flag::kAc | flag::kRf));
    state_.set_cpl(0);
  }

  void read_gate() {
    const TableRegister idt = state_.idtr();
    const unsigned size = long_mode_ ? 16 : 8, at = event_.vector * size;
    if (at + size - 1 > idt.limit) fault(kGeneralProtection, idt_code());
    const uint64_t low = access_.load(idt.base + at, 8, false);
    gate_.selector = static_cast<uint16_t>(low >> 16);
    gate_.offset = (low & 0xffff) | (low >> 32 & 0xffff0000);
    gate_.type = low >> 40 & 0x1f;
    gate_.dpl = low >> 45 & 3;
    gate_.present = low >> 47 & 1;
    if (long_mode_) {
      gate_.offset |= access_.load(idt.base + at + 8, 8, false) << 32;
      gate_.ist = low >> 32 & 7;
    }
    const bool legacy = gate_.type == 6 || gate_.type == 7 || gate_.type == kTaskGate;
    const bool known = gate_.type == 0xe || gate_.type == 0xf || (!long_mode_ && legacy);
    if (!known) fault(kGeneralProtection, idt_code());
    if (event_.kind == EventKind::kSoftware && gate_.dpl < state_.cpl()) fault(kGeneralProtection, idt_code());
    if (!gate_.present) fault(kNotPresent, idt_code());
    if (!gate_.wide()) gate_.offset &= 0xffff;
  }

  // No frame is pushed: the old task's state is in its TSS. An error code goes to the new task's stack.
  void switch_task() {
    const TaskEntered entered =
        enter_task(access_, state_, {.selector = gate_.selector, .ext = ext_, .saved_flags = pushed_flags()});
    debug_trap_ = entered.debug_trap;
    if (!pushes_code()) return;
    try {
      stack_ = state_.segment(kSs);
      const unsigned bytes = entered.wide ? 4 : 2;
      const uint64_t mask = stack_.attributes & seg::kDb ? 0xffffffff : 0xffff, sp = state_.gpr(kRsp);
      const uint64_t next = (sp - bytes) & mask;
      if (!inside_stack(next, bytes)) fault(kStackFault, ext_);
      access_.store((stack_.base + next) & 0xffffffff, bytes, event_.error_code, state_.cpl() == 3);
      state_.set_gpr(kRsp, (sp & ~mask) | next);
    } catch (Fault& raised) {
      raised.in_new_task = true;
      throw;
    }
  }

  void choose_code() {
    if ((gate_.selector & ~3) == 0) fault(kGeneralProtection, ext_);
    code_ = load_descriptor(access_, state_, gate_.selector, kGeneralProtection, ext_);
    const uint32_t code = (gate_.selector & ~3u) | ext_;
    if (!code_.is_code() || code_.dpl() > state_.cpl()) fault(kGeneralProtection, code);
    if (long_mode_ && (code_.attributes() & (seg::kLong | seg::kDb)) != seg::kLong) fault(kGeneralProtection, code);
    if (!code_.present()) fault(kNotPresent, code);
    const bool conforming = (code_.attributes() & seg::kConforming) != 0;
    new_cpl_ = conforming ? state_.cpl() : code_.dpl();
    inner_ = new_cpl_ < state_.cpl();
    if (state_.vm86() && new_cpl_ != 0) fault(kGeneralProtection, code);
    if (long_mode_ ? !is_canonical(gate_.offset) : gate_.offset > code_.limit()) fault(kGeneralProtection, ext_);
  }

  // A field of the task state segment; #TS with its selector where that is too short.
  uint64_t tss_field(unsigned offset, unsigned bytes) {
    const SegmentRegister tss = state_.segment(kTr);
    if (offset + bytes - 1 > tss.limit) fault(kInvalidTss, (tss.selector & ~3u) | ext_);
    return access_.load(tss.base + offset, bytes, false);
  }

  void choose_long_stack() {
    uint64_t rsp = state_.gpr(kRsp);
    if (gate_.ist != 0) {
      rsp = tss_field(0x24 + (gate_.ist - 1) * 8, 8);
    } else if (inner_) {
      rsp = tss_field(4 + new_cpl_ * 8, 8);
    }
    stack_top_ = rsp & ~uint64_t{15};
    if (!is_canonical(stack_top_ - 1) || !is_canonical(stack_top_ - 48)) fault(kStackFault, ext_);
    stack_ = state_.segment(kSs);
    // The new SS is a null selector whose RPL is the new CPL.
    if (inner_) stack_ = {static_cast<uint16_t>(new_cpl_), 0, 0xffffffff, static_cast<uint16_t>(0xc93 | new_cpl_ << 5)};
  }

  void choose_legacy_stack() {
    if (!inner_) {
      stack_ = state_.segment(kSs);
      stack_top_ = state_.gpr(kRsp);
      return;
    }
    const bool wide_tss = (state_.segment(kTr).attributes & 8) != 0;
    const unsigned at = wide_tss ? new_cpl_ * 8 + 4 : new_cpl_ * 4 + 2;
    const uint64_t fields = tss_field(at, wide_tss ? 6 : 4);
    stack_top_ = wide_tss ? fields & 0xffffffff : fields & 0xffff;
    const auto selector = static_cast<uint16_t>(fields >> (wide_tss ? 32 : 16));
    const uint32_t code = (selector & ~3u) | ext_;
    if ((selector & ~3) == 0) fault(kInvalidTss, ext_);
    Descriptor data = load_descriptor(access_, state_, selector, kInvalidTss, ext_);
    if ((selector & 3u) != new_cpl_ || data.dpl() != new_cpl_ || !data.is_writable_data()) fault(kInvalidTss, code);
    if (!data.present()) fault(kStackFault, code);
    mark_accessed(access_, state_, selector, data);
    stack_ = data.segment(selector);
  }

  void push_long_frame() {
    const auto push = [&](uint64_t value) {
      stack_top_ -= 8;
      access_.store(stack_top_, 8, value, new_cpl_ == 3);
    };
    push(state_.segment(kSs).selector);
    push(state_.gpr(kRsp));
    push(pushed_flags());
    push(state_.segment(kCs).selector);
    push(state_.rip());
    if (pushes_code()) push(event_.error_code);
    new_rsp_ = stack_top_;
  }

  bool inside_stack(uint64_t offset, unsigned bytes) const {
    const uint64_t last = offset + bytes - 1;
    if (!(stack_.attributes & seg::kExpandDown)) return last <= stack_.limit;
    return offset > stack_.limit && last <= (stack_.attributes & seg::kDb ? 0xffffffff : 0xffff);
  }

  void push_legacy_frame() {
    const unsigned bytes = gate_.wide() ? 4 : 2;
    const uint64_t mask = stack_.attributes & seg::kDb ? 0xffffffff : 0xffff;
    uint64_t sp = stack_top_;
    const auto push = [&](uint64_t value) {
      const uint64_t next = (sp - bytes) & mask;
      if (!inside_stack(next, bytes)) fault(kStackFault, inner_ ? (stack_.selector & ~3u) | ext_ : ext_);
      access_.store((stack_.base + next) & 0xffffffff, bytes, value, new_cpl_ == 3);
      sp = (sp & ~mask) | next;
    };
    if (inner_ && state_.vm86()) {
      for (const unsigned s : {kGs, kFs, kDs, kEs}) push(state_.segment(s).selector);
    }
    if (inner_) {
      push(state_.segment(kSs).selector);
      push(state_.gpr(kRsp));
    }
    push(pushed_flags());
    push(state_.segment(kCs).selector);
    push(state_.rip());
    if (pushes_code()) push(event_.error_code);
    new_rsp_ = sp;
  }

  void commit() {
    mark_accessed(access_, state_, gate_.selector, code_);
    const bool from_vm86 = state_.vm86();
    uint64_t flags = state_.rflags() & ~(flag::kTf | flag::kVm | flag::kRf | flag::kNt);
    if (gate_.clears_if()) flags &= ~flag::kIf;
    state_.set_rflags(flags);
    if (from_vm86) {
      for (const unsigned s : {kGs, kFs, kDs, kEs}) state_.set_segment(s, {});
    }
    if (inner_) state_.set_segment(kSs, stack_);
    state_.set_segment(kCs, code_.segment(static_cast<uint16_t>((gate_.selector & ~3u) | new_cpl_)));
    state_.set_gpr(kRsp, new_rsp_);
    state_.set_rip(gate_.offset);
    state_.set_cpl(new_cpl_);
  }

  GuestAccess& access_;
  State& state_;
  const Event& event_;
  uint32_t ext_;  // the EXT bit of error codes: the event was not one of the program's own instructions
  const bool long_mode_ = state_.long_mode();
  Gate gate_;
  Descriptor code_;
  SegmentRegister stack_;
  unsigned new_cpl_ = 0;
  bool inner_ = false, debug_trap_ = false;
  uint64_t stack_top_ = 0, new_rsp_ = 0;
};

const char* vector_name(uint8_t vector) {
  static constexpr const char* kNames[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#09",
                                           "#TS", "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM"};
  return vector < std::size(kNames) ? kNames[vector] : "interrupt";
}

std::string describe(const State& state, const Event& event) {
  std::string text = event.kind == EventKind::kExternal || event.kind == EventKind::kSoftware || event.vector > 19
                         ? fmt::format("interrupt {:#04x}", event.vector)
                         : std::string(vector_name(event.vector));
  text += fmt::format(" at rip {:#x}", state.rip());
  if (event.kind == EventKind::kFault && has_error_code(event.vector))
    text += fmt::format(" (error {:#x}", event.error_code);
  if (event.kind == EventKind::kFault && event.vector == kPageFault) text += fmt::format(", cr2 {:#x}", event.cr2);
  if (event.kind == EventKind::kFault && has_error_code(event.vector)) text += ")";
  return text;
}

bool contributory(uint8_t vector) {
  return vector == kDivideError || (vector >= kInvalidTss && vector <= kGeneralProtection);
}

// SDM vol. 3, table 6-5: does `second`, raised while `first` was delivered, make a double fault?
bool makes_double_fault(const Event& first, uint8_t second) {
  if (first.kind != EventKind::kFault) return false;
  if (contributory(first.vector)) return contributory(second);
  return first.vector == kPageFault && (contributory(second) || second == kPageFault);
}

}  // namespace

bool deliver(PhysicalMemory& memory, MmioSink& mmio, State& state, const Event& original, std::string& chain) {
  GuestAccess access(memory, mmio, state);
  Event event = original;
  state.clear_exception();
  state.set_shadow(false);
  chain.clear();
  if (event.kind == EventKind::kFault && event.vector == kPageFault) state.set_cr(2, event.cr2);
  for (;;) {
    try {
      Attempt attempt(access, state, event);
      attempt.run();
      if (!attempt.debug_trap()) return true;
      set_debug_cause(state, dr6::kBt);
      event = {EventKind::kTrap, kDebug, 0, 0, 0};
    } catch (const Fault& second) {
      chain += (chain.empty() ? "" : " → ") + describe(state, event);
      if (second.vector == kPageFault) state.set_cr(2, second.cr2);
      const bool software = event.kind == EventKind::kSoftware || event.kind == EventKind::kPrivilegedSoftware;
      if (software && !second.in_new_task) state.set_rip(event.instruction);
      if (event.kind == EventKind::kFault && event.vector == kDoubleFault) {
        chain += " → triple fault";
        return false;
      }
      const bool twice = makes_double_fault(event, second.vector);
      event = {EventKind::kFault, twice ? uint8_t{kDoubleFault} : second.vector, twice ? 0 : second.code, second.cr2,
               0};
    }
  }
}

}  // namespace xensim::x86
