// All vCPUs as bytes, and back.
#include "models/x86/saved_cpu.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "models/x86/debug.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {

namespace {

// Counts that no run comes near; sums of two are still far from overflow.
constexpr uint64_t kMostInstructions = uint64_t{1} << 62;

struct WordField {
  uint64_t SavedVcpu::*saved;
  size_t EnvLayout::*offset;
};
constexpr WordField kWords[] = {{&SavedVcpu::rip, &EnvLayout::rip},
                                {&SavedVcpu::efer, &EnvLayout::efer},
                                {&SavedVcpu::sysenter_esp, &EnvLayout::sysenter_esp},
                                {&SavedVcpu::sysenter_eip, &EnvLayout::sysenter_eip},
                                {&SavedVcpu::star, &EnvLayout::star},
                                {&SavedVcpu::lstar, &EnvLayout::lstar},
                                {&SavedVcpu::cstar, &EnvLayout::cstar},
                                {&SavedVcpu::fmask, &EnvLayout::fmask},
                                {&SavedVcpu::kernel_gs_base, &EnvLayout::kernel_gs_base},
                                {&SavedVcpu::tsc_aux, &EnvLayout::tsc_aux},
                                {&SavedVcpu::pat, &EnvLayout::pat},
                                {&SavedVcpu::misc_enable, &EnvLayout::misc_enable}};

// The parts of the FPU that the engine's interface names, each where it is kept.
template <class Visit>
void each_fpu_register(SavedVcpu& saved, Visit&& visit) {
  visit(UC_X86_REG_FPCW, &saved.fp_control);
  visit(UC_X86_REG_FPSW, &saved.fp_status);
  for (int i = 0; i < 8; ++i) visit(UC_X86_REG_FP0 + i, saved.fp[i]);
  visit(UC_X86_REG_FPTAG, &saved.fp_tags);
  visit(UC_X86_REG_FIP, &saved.fp_instruction);
  visit(UC_X86_REG_FDP, &saved.fp_operand);
  visit(UC_X86_REG_FOP, &saved.fp_opcode);
  visit(UC_X86_REG_MXCSR, &saved.mxcsr);
  for (int i = 0; i < 16; ++i) visit(UC_X86_REG_XMM0 + i, saved.xmm[i]);
}

}  // namespace

void State::save(SavedVcpu& saved) const {
  for (unsigned i = 0; i < 16; ++i) saved.gpr[i] = gpr(i);
  for (const WordField& field : kWords) saved.*field.saved = word(at_.*field.offset);
  saved.rflags = rflags();
  saved.cr0 = cr(0);
  saved.cr2 = cr(2);
  saved.cr3 = cr(3);
  saved.cr4 = cr(4);
  for (unsigned i = 0; i < kSegCount; ++i) {
    const size_t at = segment_offset(i);
    saved.segment[i] = {context_.get<uint64_t>(at + 8), context_.get<uint32_t>(at + 16),
                        context_.get<uint32_t>(at + 20), context_.get<uint32_t>(at), 0};
  }
  saved.gdt_base = gdtr().base;
  saved.gdt_limit = gdtr().limit;
  saved.idt_base = idtr().base;
  saved.idt_limit = idtr().limit;
  saved.sysenter_cs = sysenter_cs();
  for (unsigned i = 0; i < 8; ++i) saved.dr[i] = dr(i);
  saved.cpl = static_cast<uint8_t>(cpl());
  saved.shadow = shadow() ? 1 : 0;
  saved.nmis_blocked = nmis_blocked() ? 1 : 0;
  each_fpu_register(saved, [&](int id, void* value) { context_.read_register(id, value); });
}

void State::restore(const Engine& engine, const SavedVcpu& given) {
  reset(engine);
  SavedVcpu saved = given;
  for (unsigned i = 0; i < 16; ++i) set_gpr(i, saved.gpr[i]);
  for (const WordField& field : kWords) set_word(at_.*field.offset, saved.*field.saved);
  set_rflags(saved.rflags);
  set_cr(0, saved.cr0);
  set_cr(2, saved.cr2);
  set_cr(3, saved.cr3);
  set_cr(4, saved.cr4);
  for (unsigned i = 0; i < kSegCount; ++i) {
    const size_t at = segment_offset(i);
    context_.set(at, saved.segment[i].selector);
    context_.set(at + 8, saved.segment[i].base);
    context_.set(at + 16, saved.segment[i].limit);
    context_.set(at + 20, saved.segment[i].flags);
  }
  set_gdtr({saved.gdt_base, static_cast<uint16_t>(saved.gdt_limit)});
  set_idtr({saved.idt_base, static_cast<uint16_t>(saved.idt_limit)});
  set_sysenter_cs(static_cast<uint32_t>(saved.sysenter_cs));
  for (unsigned i = 0; i < 8; ++i) set_dr(i, saved.dr[i]);
  each_fpu_register(saved, [&](int id, void* value) { context_.write_register(id, value); });
  set_cpl(saved.cpl);
  set_shadow(saved.shadow != 0);
  set_nmis_blocked(saved.nmis_blocked != 0);
}

std::vector<std::byte> SoftCpu::save_state() {
  XS_CHECK(!running_);
  std::vector<std::byte> out(vcpus_.size() * sizeof(SavedVcpu));
  for (uint32_t i = 0; i < vcpus_.size(); ++i) {
    const Vcpu& v = *vcpus_[i];
    SavedVcpu saved;
    state_of(VcpuId{i}).save(saved);
    saved.mtrr_default = v.msrs.mtrr_default;
    std::copy(v.msrs.mtrr_variable.begin(), v.msrs.mtrr_variable.end(), saved.mtrr_variable);
    std::copy(v.msrs.mtrr_fixed.begin(), v.msrs.mtrr_fixed.end(), saved.mtrr_fixed);
    const MachineChecks& checks = v.msrs.machine_checks;
    saved.mcg_status = checks.status;
    saved.debug_control = static_cast<uint8_t>(v.msrs.debug_control);
    saved.mcg_control = checks.control;
    std::copy(checks.banks.begin(), checks.banks.end(), saved.machine_check_banks);
    saved.retired = v.retired;
    saved.hold_until = v.hold_until;
    saved.interrupt = v.interrupt;
    saved.nmi = v.nmi;
    saved.nmi_late = v.nmi_late;
    saved.waiting_for_sipi = v.waiting_for_sipi;
    saved.owed_shadow = v.owed_shadow;
    saved.skip_point = v.skip_point;
    saved.init_held = v.init_held;
    saved.debug_hits = v.debug_hits;
    saved.after_mov_ss = v.after_mov_ss;
    std::memcpy(out.data() + i * sizeof saved, &saved, sizeof saved);
  }
  // A restored CPU begins with no vCPU in its engine, and with an empty TLB: so does this one from here on.
  loaded_ = ~0u;
  current_ = nullptr;
  return out;
}

Status SoftCpu::restore_state(std::span<const std::byte> bytes) {
  XS_CHECK(!running_);
  if (bytes.size() != vcpus_.size() * sizeof(SavedVcpu)) {
    return input_error(
        fmt::format("the saved processors are {} bytes, not {}", bytes.size(), vcpus_.size() * sizeof(SavedVcpu)));
  }
  std::vector<SavedVcpu> all(vcpus_.size());
  std::memcpy(all.data(), bytes.data(), bytes.size());
  for (const SavedVcpu& saved : all) {
    if (saved.cpl > 3 || saved.debug_control > 3 || saved.retired >= kMostInstructions ||
        saved.hold_until >= kMostInstructions) {
      return input_error("a saved processor is in a state that there is not");
    }
  }
  loaded_ = ~0u;
  current_ = nullptr;
  for (uint32_t i = 0; i < vcpus_.size(); ++i) {
    const SavedVcpu& saved = all[i];
    Vcpu& v = *vcpus_[i];
    v.state.restore(*engine_, saved);
    v.msrs.mtrr_default = saved.mtrr_default;
    std::copy(std::begin(saved.mtrr_variable), std::end(saved.mtrr_variable), v.msrs.mtrr_variable.begin());
    std::copy(std::begin(saved.mtrr_fixed), std::end(saved.mtrr_fixed), v.msrs.mtrr_fixed.begin());
    MachineChecks& checks = v.msrs.machine_checks;
    checks.status = saved.mcg_status;
    v.msrs.debug_control = saved.debug_control;
    checks.control = saved.mcg_control;
    std::copy(std::begin(saved.machine_check_banks), std::end(saved.machine_check_banks), checks.banks.begin());
    v.retired = saved.retired;
    v.hold_until = saved.hold_until;
    v.interrupt = saved.interrupt != 0;
    v.nmi = saved.nmi != 0;
    v.nmi_late = saved.nmi_late != 0;
    v.waiting_for_sipi = saved.waiting_for_sipi != 0;
    v.owed_shadow = saved.owed_shadow != 0;
    v.skip_point = saved.skip_point != 0;
    v.init_held = saved.init_held != 0;
    v.armed = breakpoints_armed(v.state);
    v.debug_hits = saved.debug_hits & 15;
    v.after_mov_ss = saved.after_mov_ss != 0;
  }
  return {};
}

}  // namespace xensim::x86
