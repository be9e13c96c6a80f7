// A vCPU's whole state as it is saved: plain data without padding, little-endian, in terms of the architecture. Nothing
// of the engine's own layout is in it, so that bytes of anybody's cannot reach the engine's inner state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "models/base/cpu.h"

namespace xensim::x86 {

struct SavedSegment {
  uint64_t base = 0;
  uint32_t limit = 0;
  uint32_t flags = 0;  // the descriptor's upper word
  uint32_t selector = 0;
  uint32_t zero = 0;
};

struct SavedVcpu {
  uint64_t gpr[16] = {}, rip = 0, rflags = 0;
  uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0;
  SavedSegment segment[kSegCount];
  uint64_t gdt_base = 0, idt_base = 0, gdt_limit = 0, idt_limit = 0;
  uint64_t sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0, star = 0, lstar = 0, cstar = 0, fmask = 0;
  uint64_t kernel_gs_base = 0, tsc_aux = 0, pat = 0, misc_enable = 0;
  uint64_t dr[8] = {};
  // FPU and SSE: physical registers, not by stack position.
  uint8_t fp[8][16] = {}, xmm[16][16] = {};
  uint64_t fp_instruction = 0, fp_operand = 0;
  uint32_t mxcsr = 0;
  uint16_t fp_control = 0, fp_status = 0, fp_tags = 0, fp_opcode = 0;
  uint32_t zero = 0;
  uint64_t mtrr_default = 0, mtrr_variable[16] = {}, mtrr_fixed[11] = {};
  uint64_t mcg_status = 0, mcg_control = 0, machine_check_banks[40] = {};
  // The software CPU's own (SoftCpu's Vcpu).
  uint64_t retired = 0, hold_until = 0;
  uint8_t cpl = 0, shadow = 0;
  uint8_t interrupt = 0, waiting_for_sipi = 0, owed_shadow = 0, skip_point = 0;
  uint8_t nmi = 0, nmi_late = 0, nmis_blocked = 0, init_held = 0, debug_control = 0;
  uint8_t debug_hits = 0, after_mov_ss = 0, unused[3] = {};
};
static_assert(std::has_unique_object_representations_v<SavedVcpu>, "padding would be saved");

}  // namespace xensim::x86
