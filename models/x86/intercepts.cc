// Exceptions, and the instructions that are served outside the engine: its state is exact at each, and each is done
// before the engine goes on.
#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/x86/cpuid.h"
#include "models/x86/debug.h"
#include "models/x86/segments.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {
namespace {

// SVM exit codes (AMD APM vol. 2, appendix C); the engine adds 0x100 to them.
constexpr uint32_t kExitBase = 0x100;
enum ExitCode : unsigned {
  kReadCr = 0x00,
  kWriteCr = 0x10,
  kReadDr = 0x20,
  kWriteDr = 0x30,
  kRdtsc = 0x6e,
  kRdpmc = 0x6f,
  kCpuid = 0x72,
  kIret = 0x74,
  kPause = 0x77,
  kHlt = 0x78,
  kMsr = 0x7c,
  kRdtscp = 0x87,
  kMonitor = 0x8a,
  kMwait = 0x8b,
};

// Instructions on general registers which share SSE's opcode maps: BMI1, BMI2, ADX, MOVBE and CRC32.
bool is_general_in_sse_maps(std::span<const uint8_t> bytes) {
  const auto at = [&](size_t i) { return i < bytes.size() ? bytes[i] : uint8_t{0}; };
  const auto is_any_of = [](uint8_t byte, std::initializer_list<uint8_t> some) {
    return std::find(some.begin(), some.end(), byte) != some.end();
  };
  if (at(0) == 0xc4) {
    const unsigned map = at(1) & 0x1f;
    return map == 2 ? is_any_of(at(3), {0xf2, 0xf3, 0xf5, 0xf6, 0xf7}) : map == 3 && at(3) == 0xf0;
  }
  size_t i = 0;
  while (is_any_of(at(i), {0x66, 0xf2, 0xf3}) || (at(i) & 0xf0) == 0x40) ++i;
  return at(i) == 0x0f && at(i + 1) == 0x38 && is_any_of(at(i + 2), {0xf0, 0xf1, 0xf6});
}

// Do all data segments reach to the end of the linear address space?
bool flat_limits(const State& state) {
  for (const unsigned s : {kEs, kSs, kDs, kFs, kGs}) {
    if (state.segment(s).limit != 0xffffffff) return false;
  }
  return true;
}

// An instruction that uses MMX or SSE registers, while CR0.EM or CR4.OSFXSR says that there are none (SDM vol. 3, table
// 13-1; vol. 2, 2.4).
bool is_undefined_simd(std::span<const uint8_t> bytes, const State& state) {
  const Prefixes prefixes = parse_prefixes(bytes, code_size(state.code64(), state.code32()));
  const auto at = [&](size_t i) { return prefixes.count + i < bytes.size() ? bytes[prefixes.count + i] : uint8_t{0}; };
  if (at(0) != 0x0f) return false;
  const uint8_t opcode = at(1);
  if (opcode == 0xae && (at(2) >> 3 & 7) < 2) return false;  // FXSAVE, FXRSTOR
  if (state.cr(0) & cr0::kEm) return true;
  const bool sse = prefixes.operand || prefixes.rep || prefixes.repne || (opcode >= 0x10 && opcode <= 0x17) ||
                   (opcode >= 0x28 && opcode <= 0x2f) || (opcode >= 0x50 && opcode <= 0x5f) || opcode == 0xae ||
                   opcode == 0xc2 || opcode == 0xc6;
  return sse && !(state.cr(4) & cr4::kOsfxsr);
}

// SoftCpu::in_block_ while the client is called.
class InBlock {
 public:
  InBlock(bool& flag, bool inside) : flag_(flag) { flag_ = inside; }
  ~InBlock() { flag_ = false; }
  InBlock(const InBlock&) = delete;
  InBlock& operator=(const InBlock&) = delete;

 private:
  bool& flag_;
};

}  // namespace

void SoftCpu::stop(CpuExit exit) {
  exit_ = exit;
  write_back();
  attend();
  engine_->stop();
}

void SoftCpu::deliver_event(const Event& event) {
  State& s = state();
  const uint64_t cr3 = s.cr(3);
  if (event.kind == EventKind::kFault) {
    current_->debug_hits = 0;
    current_->after_mov_ss = false;
  }
  current_->skip_point = false;
  current_->hold_until = 0;
  current_->owed_shadow = false;
  rep_pc_ = kNone;
  block_ = nullptr;
  done_ = open_ = 0;
  const bool ok = deliver(memory_, *this, s, event, error_);
  if (event.vector == kDebug && event.kind != EventKind::kSoftware && event.kind != EventKind::kExternal) {
    s.set_dr(7, s.dr(7) & ~dr7::kGd);
    current_->msrs.debug_control = 0;  // LBR and BTF
  }
  if (s.cr(3) != cr3) engine_->flush_tlb();
  changed();
  attend();
  if (!ok) stop(CpuExit::kShutdown);
}

void SoftCpu::raise(uint8_t vector, uint32_t code, uint64_t cr2) {
  deliver_event({.kind = EventKind::kFault, .vector = vector, .error_code = code, .cr2 = cr2});
}

// The instruction at RIP is done. True: TF's trap was delivered after it.
bool SoftCpu::step_over(unsigned length) {
  State& s = state();
  ++current_->retired;
  s.advance_rip(length);
  s.set_shadow(false);
  s.clear_exception();
  current_->owed_shadow = false;
  const uint64_t flags = s.rflags();
  if ((flags & flag::kRf) && length != 0) s.set_rflags(flags & ~flag::kRf);
  changed();
  if (!(flags & flag::kTf) || exit_) return false;
  return single_step_trap(s.linear_rip());
}

Instruction SoftCpu::instruction_here(std::vector<uint8_t>& bytes) {
  const State& s = state();
  bytes = code_at(s.linear_rip(), 15);
  return blocks_.decoder().decode(bytes, code_size(s.code64(), s.code32()));
}

// Did the fault come up while the next block was fetched, so that all of the last one is done? Then RIP is that next
// block's.
bool SoftCpu::before_next_block(uint32_t vector) {
  if (!block_) return false;
  const State& s = state();
  const uint64_t linear = s.linear_rip();
  if (linear < block_->pc || !block_->index_of(linear - block_->pc)) return true;
  if (vector != kPageFault || (s.error_code() & pf::kWrite)) return false;
  const bool reports_fetches = (s.efer() & efer::kNxe) || (s.cr(4) & cr4::kSmep);
  return reports_fetches ? (s.error_code() & pf::kFetch) != 0 : s.cr(2) == linear;
}

void SoftCpu::on_interrupt(uint32_t vector) {
  State& s = state();
  if (exit_ || failure_) {
    // The engine came to look at the next block before it stopped. It will come again.
    s.clear_exception();
    return changed();
  }
  stepping_ = false;
  if (vector == kDebug && !s.exception_is_int()) {
    // A single-step trap: the one instruction of the block is done, wherever RIP is now.
    current_->retired += open_;
    const uint64_t linear = s.linear_rip();
    const bool repeats = block_ && block_->starts_with_rep() && block_->pc == linear;
    const uint64_t next_in_line = repeats ? linear : block_ ? block_->pc + block_->size : kNone;
    block_ = nullptr;
    done_ = open_ = 0;
    single_step_trap(next_in_line);
    return;
  }
  if (vector >= kExitBase) {
    close_block();
    on_intercept(vector - kExitBase);
    return;
  }
  if (s.exception_is_int()) {
    uint64_t instruction = s.rip();
    if (block_) {
      const uint32_t index = index_in_block(s.linear_rip());
      const uint64_t start = block_->offsets.at(index - 1);
      instruction = s.rip() - ((index == block_->count ? block_->size : block_->offsets[index]) - start);
    }
    close_block();
    s.set_word(s.layout().error_code, 0);
    deliver_event({.kind = EventKind::kSoftware, .vector = static_cast<uint8_t>(vector), .instruction = instruction});
    return;
  }
  const bool fetch = before_next_block(vector);
  if (fetch) {
    current_->retired += open_;
    block_ = nullptr;
    done_ = open_ = 0;
  }
  close_block();
  Event event{.kind = EventKind::kFault,
              .vector = static_cast<uint8_t>(vector),
              .error_code = has_error_code(static_cast<uint8_t>(vector)) ? s.error_code() : 0,
              .cr2 = s.cr(2)};
  if (!fetch) check_operands(event);
  deliver_event(event);
}

// What the processor checks before what the engine has found: a segment's limit before the page tables, the stack's
// addresses by a vector of their own, and that an instruction is there before its registers are available.
void SoftCpu::check_operands(Event& event) {
  const State& s = state();
  const bool page = event.vector == kPageFault && !s.code64() && !flat_limits(s);
  const bool address = event.vector == kGeneralProtection && event.error_code == 0 && s.code64();
  const bool unavailable = event.vector == kDeviceNotAvailable;
  if (!page && !address && !unavailable) return;
  std::vector<uint8_t> bytes;
  instruction_here(bytes);
  if (unavailable) {
    if (is_undefined_simd(bytes, s)) event.vector = kInvalidOpcode;
    return;
  }
  for (const MemoryOperand& operand : operands_.operands(bytes, s)) {
    if (within_segment(s, operand)) continue;
    event.vector = operand.segment == kSs ? kStackFault : kGeneralProtection;
    event.error_code = 0;
    return;
  }
}

bool SoftCpu::on_invalid() {
  if (exit_ || failure_) return true;
  stepping_ = false;
  close_block();
  State& s = state();
  s.clear_exception();
  changed();
  const std::vector<uint8_t> bytes = code_at(s.linear_rip(), 8);
  if (is_general_in_sse_maps(bytes) && s.admit_sse()) return true;  // once more
  const bool hypercall =
      bytes.size() >= 3 && bytes[0] == 0x0f && bytes[1] == 0x01 && (bytes[2] == 0xc1 || bytes[2] == 0xd9);
  if (hypercall) {
    serve_hypercall(3);
  } else {
    raise(kInvalidOpcode);
  }
  return true;
}

void SoftCpu::serve_hypercall(unsigned length) {
  current_->nmi_late = false;
  switch (client_.hypercall(VcpuId{loaded_})) {
    case CpuAction::kContinue: step_over(length); return;
    case CpuAction::kSuspend: stop(CpuExit::kSuspended); return;
    case CpuAction::kFault: raise(kInvalidOpcode); return;
  }
}

void SoftCpu::on_intercept(unsigned exit_code) {
  if (exit_code == kCpuid || exit_code == kPause || exit_code == kHlt || exit_code == kMsr) current_->nmi_late = false;
  if (exit_code >= kReadDr && exit_code < kWriteDr + 8 && exit_code % 16 < 8) return serve_debug_register();
  if (exit_code == kReadCr + 8) return serve_cr8_read();
  if (exit_code >= kWriteCr && exit_code < kWriteCr + 9) return serve_control_register();
  switch (exit_code) {
    case kRdtsc: return serve_rdtsc(false);
    case kRdtscp: return serve_rdtsc(true);
    case kCpuid: return serve_cpuid();
    case kIret: return begin_iret();
    case kPause: return serve_pause();
    case kHlt: return serve_halt();
    case kMsr: return serve_msr();
    case kRdpmc: return raise(kGeneralProtection);
    case kMonitor:
    case kMwait: return raise(kInvalidOpcode);
    default:
      XS_CHECK_MSG(false, fmt::format("the engine reports an intercept {:#x} that was not asked for", exit_code));
  }
}

// In the middle of a block: what the client asks for meanwhile acts at its end, whichever way the instruction is
// served.
uint64_t SoftCpu::read_tsc() {
  const InBlock inside(in_block_, true);
  return client_.rdtsc(VcpuId{loaded_});
}

void SoftCpu::serve_rdtsc(bool with_aux) {
  std::vector<uint8_t> bytes;
  const unsigned length = instruction_here(bytes).length;
  const uint64_t tsc = read_tsc();
  // What follows is a block of its own, where rdtsc_in_place() has none: it must not be an end of the slice.
  if (whole_blocks_) limit_ = std::max(limit_, natural_end_);
  State& s = state();
  s.set_gpr(kRax, tsc & 0xffffffff);
  s.set_gpr(kRdx, tsc >> 32);
  if (with_aux) s.set_gpr(kRcx, s.word(s.layout().tsc_aux) & 0xffffffff);
  step_over(length);
}

void SoftCpu::serve_cpuid() {
  std::vector<uint8_t> bytes;
  const unsigned length = instruction_here(bytes).length;
  State& s = state();
  const auto leaf = static_cast<uint32_t>(s.gpr(kRax)), subleaf = static_cast<uint32_t>(s.gpr(kRcx));
  const CpuidResult result = client_.cpuid(VcpuId{loaded_}, leaf, subleaf, native_cpuid(leaf, subleaf));
  s.set_gpr(kRax, result.eax);
  s.set_gpr(kRbx, result.ebx);
  s.set_gpr(kRcx, result.ecx);
  s.set_gpr(kRdx, result.edx);
  step_over(length);
}

void SoftCpu::serve_msr() {
  constexpr uint32_t kTsc = 0x10;
  std::vector<uint8_t> bytes;
  const Instruction instruction = instruction_here(bytes);
  const CodeSize size = code_size(state().code64(), state().code32());
  const bool write = bytes.at(parse_prefixes(bytes, size).count + 1) == 0x30;
  const auto msr = static_cast<uint32_t>(state().gpr(kRcx));
  const VcpuId id{loaded_};
  if (write) {
    const uint64_t value = (state().gpr(kRax) & 0xffffffff) | state().gpr(kRdx) << 32;
    const MsrOutcome outcome = current_->msrs.write(state(), msr, value);
    changed();
    if (outcome != MsrOutcome::kClient) client_.msr_served(id);
    if (outcome == MsrOutcome::kFault || (outcome == MsrOutcome::kClient && !client_.wrmsr(id, msr, value)))
      return raise(kGeneralProtection);
    if (msr == 0xc0000080) engine_->flush_tlb();  // NXE changes what page table entries mean
    return void(step_over(instruction.length));
  }
  uint64_t value = 0;
  if (msr == kTsc) {
    value = client_.rdtsc(id);
  } else if (current_->msrs.read(state(), msr, value) == MsrOutcome::kClient) {
    const auto answer = client_.rdmsr(id, msr);
    if (!answer) return raise(kGeneralProtection);
    value = *answer;
  } else {
    client_.msr_served(id);
  }
  state().set_gpr(kRax, value & 0xffffffff);
  state().set_gpr(kRdx, value >> 32);
  step_over(instruction.length);
}

void SoftCpu::serve_pause() {
  std::vector<uint8_t> bytes;
  const unsigned length = instruction_here(bytes).length;
  const CpuAction action = client_.pause(VcpuId{loaded_});
  step_over(length);
  if (action == CpuAction::kSuspend && !exit_) stop(CpuExit::kSuspended);
}

void SoftCpu::serve_halt() {
  client_.halting(VcpuId{loaded_});
  if (step_over(1)) return;  // TF's trap wakes it
  if (exit_ || nmi_ready({loaded_})) return;
  if (current_->interrupt && interrupts_open()) {
    current_->interrupt = false;
    const auto vector = client_.acknowledge_interrupt(VcpuId{loaded_});
    attend();
    if (vector) return deliver_event({.kind = EventKind::kExternal, .vector = *vector});
  }
  stop(CpuExit::kHalt);
}

// An IRET while NMIs are blocked. It ends that even where it faults (SDM vol. 3, 7.7.1); the engine does the rest, and
// what waited comes after it.
void SoftCpu::begin_iret() {
  State& s = state();
  s.set_nmis_blocked(false);
  s.set_shadow(false);  // of a step, or of the instruction before: it ends with this one, before which nothing comes
  changed();
  current_->hold_until = current_->retired + 1;
  current_->nmi_late = nmi_waits_for_exit_ && current_->nmi;
  attend();
}

// MOV to and from debug registers (SDM vol. 3, 17.2).
void SoftCpu::serve_debug_register() {
  std::vector<uint8_t> bytes;
  const Instruction instruction = instruction_here(bytes);
  State& s = state();
  const CodeSize size = code_size(s.code64(), s.code32());
  const Prefixes prefixes = parse_prefixes(bytes, size);
  const uint8_t opcode = bytes.at(prefixes.count + 1), modrm = bytes.at(prefixes.count + 2);
  unsigned index = modrm >> 3 & 7;
  const unsigned reg = (modrm & 7) | (prefixes.rex & 1) << 3;
  if ((prefixes.rex & 4) || (index == 4 || index == 5)) {
    if ((prefixes.rex & 4) || (s.cr(4) & cr4::kDe)) return raise(kInvalidOpcode);
    index += 2;
  }
  if (s.dr(7) & dr7::kGd) {
    set_debug_cause(s, dr6::kBd);
    return deliver_event({.kind = EventKind::kFault, .vector = kDebug});
  }
  if (opcode == 0x23) {
    uint64_t value = s.gpr(reg);
    if (size != CodeSize::k64) value &= 0xffffffff;
    if (index >= 6 && value >> 32) return raise(kGeneralProtection);
    if (index == 6) value = (value & 0xe00f) | 0xffff0ff0;
    if (index == 7) value = (value & dr7::kBits) | dr7::kFixed;
    s.set_dr(index, value);
    current_->armed = breakpoints_armed(s);
    current_->after_mov_ss = false;
    attend();
  } else {
    s.set_gpr(reg, s.dr(index));
  }
  step_over(instruction.length);
}

// SYSCALL (SDM vol. 2). The engine adds the instruction's length to RIP after the hook.
void SoftCpu::on_syscall() {
  if (exit_ || failure_) return;
  State& s = state();
  std::vector<uint8_t> bytes;
  const unsigned length = instruction_here(bytes).length;
  changed();
  if (!(s.efer() & efer::kSce) || !s.code64()) {
    close_block();
    raise(kInvalidOpcode);
    state().set_rip(state().rip() - length);
    return;
  }
  const uint64_t star = s.word(s.layout().star);
  s.set_gpr(kRcx, s.rip() + length);
  s.set_gpr(kR11, s.rflags() & ~flag::kRf);
  s.set_rip(s.word(s.layout().lstar) - length);
  s.set_rflags(s.rflags() & ~(s.word(s.layout().fmask) | flag::kRf));
  const auto selector = static_cast<uint16_t>(star >> 32 & 0xfffc);
  s.set_segment(kCs, flat_code(selector, 0, true));
  s.set_segment(kSs, flat_stack(static_cast<uint16_t>(selector + 8), 0));
  s.set_cpl(0);
}

// SYSENTER (SDM vol. 2).
void SoftCpu::on_sysenter() {
  if (exit_ || failure_) return;
  State& s = state();
  std::vector<uint8_t> bytes;
  const unsigned length = instruction_here(bytes).length;
  changed();
  const uint32_t selector = s.sysenter_cs() & 0xfffc;
  if (selector == 0) {
    close_block();
    raise(kGeneralProtection);
    state().set_rip(state().rip() - length);
    return;
  }
  const bool wide = s.long_mode();
  s.set_rflags(s.rflags() & ~(flag::kVm | flag::kIf | flag::kRf));
  s.set_segment(kCs, flat_code(static_cast<uint16_t>(selector), 0, wide));
  s.set_segment(kSs, flat_stack(static_cast<uint16_t>(selector + 8), 0));
  s.set_cpl(0);
  const uint64_t mask = wide ? ~uint64_t{0} : 0xffffffff;
  s.set_gpr(kRsp, s.word(s.layout().sysenter_esp) & mask);
  s.set_rip((s.word(s.layout().sysenter_eip) & mask) - length);
}

void SoftCpu::on_point(uint64_t address) {
  if (exit_ || failure_) return;
  settle();
  if (std::exchange(current_->skip_point, false)) return;
  if (client_.point(VcpuId{loaded_}, Gva{address}) != CpuAction::kSuspend) return;
  current_->skip_point = true;
  close_block();
  stop(CpuExit::kSuspended);
}

uint64_t SoftCpu::mmio_load(uint64_t gpa, unsigned bytes) {
  uint64_t value = ~uint64_t{0};
  begin_hook();
  guarded([&] {
    const InBlock inside(in_block_, block_ != nullptr);
    value = client_.mmio_read(VcpuId{loaded_}, Gpa{gpa}, bytes);
  });
  end_hook();
  return value;
}

void SoftCpu::mmio_store(uint64_t gpa, unsigned bytes, uint64_t value) {
  begin_hook();
  guarded([&] {
    const InBlock inside(in_block_, block_ != nullptr);
    client_.mmio_write(VcpuId{loaded_}, Gpa{gpa}, bytes, value);
  });
  end_hook();
}

void SoftCpu::access_failed() {
  begin_hook();
  engine_fails_ = true;
  attend();
  end_hook();
}

void SoftCpu::mmio_begin() {
  begin_hook();
  synced_ = false;
  current_->nmi_late = false;
  guarded([&] { settle(); });
  end_hook();
}

}  // namespace xensim::x86
