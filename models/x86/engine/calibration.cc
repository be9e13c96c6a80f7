#include "models/x86/engine/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

namespace xensim::x86 {
namespace {

// Where a context shows the 64-bit `value`, if at exactly one place.
std::optional<size_t> find_u64(const Context& context, uint64_t value) {
  std::optional<size_t> found;
  for (size_t at = 0; at + 8 <= context.size(); at += 8) {
    if (context.get<uint64_t>(at) != value) continue;
    if (found) return std::nullopt;
    found = at;
  }
  return found;
}

// Where a register of the API is kept: writes a value that nothing else has, and looks for it.
template <class Write>
std::optional<size_t> locate(uc_engine* uc, uint64_t value, Write write) {
  if (write(value) != UC_ERR_OK) return std::nullopt;
  return find_u64(Context(uc), value);
}

std::optional<size_t> locate_reg(uc_engine* uc, int reg, uint64_t value) {
  return locate(uc, value, [&](uint64_t v) { return uc_reg_write(uc, reg, &v); });
}

std::optional<size_t> locate_msr(uc_engine* uc, uint32_t msr, uint64_t value) {
  return locate(uc, value, [&](uint64_t v) {
    uc_x86_msr pair{msr, v};
    return uc_reg_write(uc, UC_X86_REG_MSR, &pair);
  });
}

// A table register's base; the register itself starts 8 bytes before.
std::optional<size_t> locate_table(uc_engine* uc, int reg, uint64_t base) {
  auto found = locate(uc, base, [&](uint64_t v) {
    uc_x86_mmr mmr{0, v, 0x1234, 0};
    return uc_reg_write(uc, reg, &mmr);
  });
  if (!found || Context(uc).get<uint32_t>(*found + 8) != 0x1234) return std::nullopt;
  return *found - 8;
}

tl::unexpected<Error> mismatch(const char* what) {
  return environment_error(fmt::format("this build of Unicorn keeps {} where xensim does not expect it", what));
}

// Places that follow from another's must lie in a context before they are read.
bool inside(uc_engine* uc, std::initializer_list<size_t> places) {
  constexpr size_t kMost = 24;  // bytes of the longest, a segment
  const size_t size = uc_context_size(uc);
  return std::all_of(places.begin(), places.end(), [size](size_t at) { return at < size && size - at >= kMost; });
}

constexpr uint64_t kMark = 0x5ca1ab1e00000000;

Status find_registers(uc_engine* uc, EnvLayout& layout) {
  constexpr std::array kRegs = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                                UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                                UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                                UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};
  for (size_t i = 0; i < kRegs.size(); ++i) {
    const auto at = locate_reg(uc, kRegs[i], kMark + 0x100 + i);
    if (!at || (i > 0 && *at != layout.regs + 8 * i)) return mismatch("the general registers");
    if (i == 0) layout.regs = *at;
  }
  const auto rip = locate_reg(uc, UC_X86_REG_RIP, kMark + 0x200);
  if (!rip || *rip != layout.regs + 128) return mismatch("RIP");
  layout.rip = *rip;
  return {};
}

// Flags are kept apart: the arithmetic ones in cc_src while cc_op says so, DF as +1 or -1, the rest in rflags.
Status find_flags(uc_engine* uc, EnvLayout& layout) {
  layout.rflags = layout.rip + 8;
  layout.cc_dst = layout.rip + 16;
  layout.cc_src = layout.rip + 24;
  layout.cc_op = layout.rip + 40;
  layout.df = layout.rip + 44;
  layout.hflags = layout.rip + 48;
  if (!inside(uc, {layout.hflags})) return mismatch("the flags");
  uint64_t flags = 0x3ed7;  // IOPL 3, OF, DF, IF, SF, ZF, AF, PF, CF
  if (uc_reg_write(uc, UC_X86_REG_RFLAGS, &flags) != UC_ERR_OK) return mismatch("the flags");
  Context context(uc);
  const bool set = context.get<uint64_t>(layout.cc_src) == 0x8d5 && context.get<uint32_t>(layout.cc_op) == 1 &&
                   context.get<int32_t>(layout.df) == -1 && (context.get<uint64_t>(layout.rflags) & 0x3200) == 0x3200;
  flags = 2;
  if (uc_reg_write(uc, UC_X86_REG_RFLAGS, &flags) != UC_ERR_OK) return mismatch("the flags");
  context.save(uc);
  const bool clear = context.get<uint64_t>(layout.cc_src) == 0 && context.get<int32_t>(layout.df) == 1 &&
                     (context.get<uint64_t>(layout.rflags) & 0x3200) == 0;
  if (!set || !clear) return mismatch("the flags");
  // CS32, SS32, PE, LMA and CS64, as a fresh engine in 64-bit mode has them.
  constexpr uint32_t kLongMode = 1u << 4 | 1u << 5 | 1u << 7 | 1u << 14 | 1u << 15;
  if ((context.get<uint32_t>(layout.hflags) & kLongMode) != kLongMode) return mismatch("the mode flags");
  return {};
}

Status find_segments(uc_engine* uc, EnvLayout& layout) {
  const auto gs = locate_reg(uc, UC_X86_REG_GS_BASE, kMark + 0x300);
  const auto fs = locate_reg(uc, UC_X86_REG_FS_BASE, kMark + 0x301);
  const auto ldtr = locate_table(uc, UC_X86_REG_LDTR, kMark + 0x302);
  const auto tr = locate_table(uc, UC_X86_REG_TR, kMark + 0x303);
  const auto gdtr = locate_table(uc, UC_X86_REG_GDTR, kMark + 0x304);
  const auto idtr = locate_table(uc, UC_X86_REG_IDTR, kMark + 0x305);
  if (!gs || !fs || !ldtr || !tr || !gdtr || !idtr) return mismatch("the segment registers");
  layout.seg = *fs - 8 - 4 * 24;
  if (!inside(uc, {layout.seg, *ldtr, *tr, *gdtr, *idtr})) return mismatch("the segment registers");
  layout.ldtr = *ldtr;
  layout.tr = *tr;
  layout.gdtr = *gdtr;
  layout.idtr = *idtr;
  const bool in_order =
      *gs == *fs + 24 && *ldtr == layout.seg + 6 * 24 && *tr == *ldtr + 24 && *gdtr == *tr + 24 && *idtr == *gdtr + 24;
  if (!in_order) return mismatch("the segment registers");
  const auto cr2 = locate_reg(uc, UC_X86_REG_CR2, kMark + 0x306);
  if (!cr2 || *cr2 != *idtr + 24 + 16) return mismatch("the control registers");
  layout.cr = *cr2 - 16;
  if (!inside(uc, {layout.cr, layout.cr + 8 * 8})) return mismatch("the control registers");
  return {};
}

Status find_msrs(uc_engine* uc, EnvLayout& layout) {
  struct Row {
    uint32_t msr;
    size_t EnvLayout::*offset;
  };
  constexpr std::array kRows = {Row{0x175, &EnvLayout::sysenter_esp},
                                Row{0x176, &EnvLayout::sysenter_eip},
                                Row{0xc0000081, &EnvLayout::star},
                                Row{0xc0000082, &EnvLayout::lstar},
                                Row{0xc0000083, &EnvLayout::cstar},
                                Row{0xc0000084, &EnvLayout::fmask},
                                Row{0xc0000102, &EnvLayout::kernel_gs_base},
                                Row{0xc0000103, &EnvLayout::tsc_aux},
                                Row{0x277, &EnvLayout::pat},
                                Row{0x1a0, &EnvLayout::misc_enable}};
  uint64_t mark = kMark + 0x400;
  for (const Row& row : kRows) {
    const auto at = locate_msr(uc, row.msr, ++mark);
    if (!at) return mismatch("an MSR");
    layout.*row.offset = *at;
  }
  layout.sysenter_cs = layout.sysenter_esp - 8;
  if (!inside(uc, {layout.sysenter_cs})) return mismatch("SYSENTER_CS");
  uc_x86_msr pair{0x174, 0x4321};
  if (uc_reg_write(uc, UC_X86_REG_MSR, &pair) != UC_ERR_OK) return mismatch("SYSENTER_CS");
  if (Context(uc).get<uint32_t>(layout.sysenter_cs) != 0x4321) return mismatch("SYSENTER_CS");

  // EFER takes only known bits; NXE and SCE are toggled, and the one word that follows them is it.
  const auto write_efer = [&](uint64_t value) {
    uc_x86_msr efer{0xc0000080, value};
    uc_reg_write(uc, UC_X86_REG_MSR, &efer);
    return Context(uc);
  };
  const Context off = write_efer(0x500), on = write_efer(0xd01);
  std::optional<size_t> efer;
  for (size_t at = 0; at + 8 <= on.size(); at += 8) {
    if (on.get<uint64_t>(at) == 0xd01 && off.get<uint64_t>(at) == 0x500) efer = efer ? std::nullopt : std::optional(at);
  }
  if (!efer) return mismatch("EFER");
  layout.efer = *efer;
  return {};
}

// What the probe program's exceptions left behind.
struct ProbeState {
  const EnvLayout* layout;
  uint32_t vector = 0;
  uint64_t rip = 0;
  int32_t error_code = 0, old_exception = 0, is_int = 0;
  unsigned seen = 0;
};

void on_probe_interrupt(uc_engine* uc, uint32_t vector, void* user) {
  auto& probe = *static_cast<ProbeState*>(user);
  Context context(uc);
  probe.vector = vector;
  probe.rip = context.get<uint64_t>(probe.layout->rip);
  probe.error_code = context.get<int32_t>(probe.layout->error_code);
  probe.old_exception = context.get<int32_t>(probe.layout->old_exception);
  probe.is_int = context.get<int32_t>(probe.layout->exception_is_int);
  ++probe.seen;
  context.set<int32_t>(probe.layout->old_exception, -1);
  context.restore(uc);
  uc_emu_stop(uc);
}

// Runs code that faults with a known error code, INT 0x42, and an RDMSR under intercept, and compares what is reported.
Status prove_exceptions(uc_engine* uc, EnvLayout& layout) {
  const auto dr0 = locate_reg(uc, UC_X86_REG_DR0, kMark + 0x500);
  if (!dr0) return mismatch("the debug registers");
  layout.dr = *dr0;
  layout.error_code = layout.dr - 16;
  layout.exception_is_int = layout.dr - 12;
  layout.old_exception = layout.dr + 64 + 32;
  layout.vm_vmcb = layout.old_exception + 8;
  layout.intercept = layout.vm_vmcb + 16;
  layout.intercept_cr_read = layout.intercept + 8;
  layout.intercept_cr_write = layout.intercept + 10;
  layout.intercept_dr_read = layout.intercept + 12;
  layout.intercept_dr_write = layout.intercept + 14;
  if (!inside(uc, {layout.error_code, layout.dr + 8 * 7, layout.intercept_dr_write})) return mismatch("the intercepts");

  // mov $0x4448,%eax; mov %eax,%ds; (+8) int $0x42; (+10) rdmsr
  constexpr std::array<uint8_t, 13> kCode = {0xb8, 0x48, 0x44, 0, 0, 0x8e, 0xd8, 0x90, 0xcd, 0x42, 0x0f, 0x32, 0xf4};
  constexpr uint64_t kBase = 0x1000;
  ProbeState probe{.layout = &layout};
  uc_hook hook = 0;
  if (uc_mem_map(uc, kBase, 0x1000, UC_PROT_ALL) != UC_ERR_OK ||
      uc_mem_write(uc, kBase, kCode.data(), kCode.size()) != UC_ERR_OK ||
      uc_hook_add(uc, &hook, UC_HOOK_INTR, reinterpret_cast<void*>(&on_probe_interrupt), &probe, 1, 0) != UC_ERR_OK)
    return mismatch("its memory");
  const auto step = [&](uint64_t offset) { uc_emu_start(uc, kBase + offset, 0, 0, 0); };

  const uc_x86_mmr empty_gdt{0, 0x1000, 0, 0};
  if (uc_reg_write(uc, UC_X86_REG_GDTR, &empty_gdt) != UC_ERR_OK) return mismatch("GDTR");
  step(0);
  if (probe.seen != 1 || probe.vector != 13 || probe.error_code != 0x4448 || probe.old_exception != 13 ||
      probe.rip != kBase + 5)
    return mismatch("the exception state");
  step(8);
  if (probe.seen != 2 || probe.vector != 0x42 || probe.is_int != 1 || probe.rip != kBase + 10)
    return mismatch("the software interrupt state");
  Context context(uc);
  context.set<uint32_t>(layout.hflags, context.get<uint32_t>(layout.hflags) | 1u << 21);
  context.set<uint64_t>(layout.vm_vmcb, kInterceptPage);
  context.set<uint64_t>(layout.intercept, uint64_t{1} << 28);
  context.set<uint64_t>(layout.regs + 8, 0x10);  // ECX: the TSC
  context.restore(uc);
  step(10);
  if (probe.seen != 3 || probe.vector != 0x17c || probe.rip != kBase + 10) return mismatch("the intercept controls");
  return {};
}

}  // namespace

Result<EnvLayout> calibrate(uc_engine* uc) {
  EnvLayout layout{};
  XS_TRY_STATUS(find_registers(uc, layout));
  XS_TRY_STATUS(find_flags(uc, layout));
  XS_TRY_STATUS(find_segments(uc, layout));
  XS_TRY_STATUS(find_msrs(uc, layout));
  XS_TRY_STATUS(prove_exceptions(uc, layout));
  return layout;
}

}  // namespace xensim::x86
