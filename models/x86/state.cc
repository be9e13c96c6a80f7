#include "models/x86/state.h"

#include "models/x86/engine/must.h"

namespace xensim::x86 {
namespace {

constexpr uint32_t kCcEflags = 1;  // cc_op: the arithmetic flags are those in cc_src

// Instructions that must not run inside the engine: bit = SVM exit code - 0x60 (AMD APM vol. 2, appendix C).
constexpr uint64_t intercept_bit(unsigned exit_code) { return uint64_t{1} << (exit_code - 0x60); }
constexpr uint64_t kIntercepts = intercept_bit(0x6e) | intercept_bit(0x6f) | intercept_bit(0x72) | intercept_bit(0x77) |
                                 intercept_bit(0x78) | intercept_bit(0x7c) | intercept_bit(0x87) | intercept_bit(0x8a) |
                                 intercept_bit(0x8b);
constexpr uint64_t kIretIntercept = intercept_bit(0x74);

// By the register's number. The engine lets every value into CR0, CR3 and CR4, and has no CR8.
constexpr uint16_t kInterceptedCrReads = 1 << 8, kInterceptedCrWrites = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 8;

// The engine keeps a segment's flags as the descriptor's upper word.
constexpr uint32_t to_flags(uint16_t attributes) { return (attributes & 0xffu) << 8 | (attributes & 0xf00u) << 12; }
constexpr uint16_t to_attributes(uint32_t flags) {
  return static_cast<uint16_t>((flags >> 8 & 0xff) | (flags >> 12 & 0xf00));
}

}  // namespace

State::State(const Engine& engine) : at_(engine.layout()), context_(engine.get()) { reset(engine); }

void State::load(uc_engine* uc) {
  context_.save(uc);
  // The arithmetic flags are computed when asked for; keep them computed, so that a state stands by itself.
  uint64_t flags = 0;
  must(uc_reg_read(uc, UC_X86_REG_RFLAGS, &flags));
  const uint64_t others = context_.get<uint64_t>(at_.rflags);
  set_rflags((flags & (flag::kArithmetic | flag::kDf)) | (others & ~(flag::kArithmetic | flag::kDf)));
}

void State::reset(const Engine& engine) {
  context_.copy_from(engine.pristine());
  for (unsigned i = 0; i < 16; ++i) set_gpr(i, 0);
  set_gpr(kRdx, kProcessorSignature);
  const SegmentRegister data{0, 0, 0xffff, 0x93};
  for (const unsigned s : {kEs, kSs, kDs, kFs, kGs}) set_segment(s, data);
  set_segment(kCs, {0xf000, 0xffff0000, 0xffff, 0x9b});
  set_segment(kLdtr, {0, 0, 0xffff, 0x82});
  set_segment(kTr, {0, 0, 0xffff, 0x8b});
  set_gdtr({0, 0xffff});
  set_idtr({0, 0xffff});
  for (unsigned i = 0; i < 9; ++i) set_cr(i, 0);
  set_cr(0, 0x60000010);
  set_efer(0);
  set_rip(0xfff0);
  set_rflags(flag::kFixed);
  for (unsigned i = 0; i < 4; ++i) set_dr(i, 0);
  set_dr(6, 0xffff0ff0);
  set_dr(7, 0x400);
  for (const size_t msr :
       {at_.sysenter_esp, at_.sysenter_eip, at_.star, at_.lstar, at_.cstar, at_.fmask, at_.kernel_gs_base, at_.tsc_aux})
    set_word(msr, 0);
  set_sysenter_cs(0);
  set_word(at_.pat, 0x0007040600070406);
  set_word(at_.misc_enable, 1);  // fast strings
  set_word(at_.vm_vmcb, kInterceptPage);
  set_word(at_.intercept, kIntercepts);
  context_.set<uint16_t>(at_.intercept_cr_read, kInterceptedCrReads);
  context_.set<uint16_t>(at_.intercept_cr_write, kInterceptedCrWrites);
  context_.set<uint16_t>(at_.intercept_dr_read, 0xffff);
  context_.set<uint16_t>(at_.intercept_dr_write, 0xffff);
  clear_exception();
  set_hflags(kGuest);
  set_cpl(0);
}

uint64_t State::rflags() const {
  const uint64_t arithmetic = context_.get<uint64_t>(at_.cc_src) & flag::kArithmetic;
  const uint64_t direction = context_.get<int32_t>(at_.df) < 0 ? flag::kDf : 0;
  const uint64_t others = context_.get<uint64_t>(at_.rflags) & ~(flag::kArithmetic | flag::kDf);
  return arithmetic | direction | others | flag::kFixed;
}

void State::set_rflags(uint64_t value) {
  context_.set<uint64_t>(at_.rflags, (value & ~(flag::kArithmetic | flag::kDf)) | flag::kFixed);
  context_.set<uint64_t>(at_.cc_src, value & flag::kArithmetic);
  context_.set<uint64_t>(at_.cc_dst, 0);
  context_.set<uint32_t>(at_.cc_op, kCcEflags);
  context_.set<int32_t>(at_.df, value & flag::kDf ? -1 : 1);
}

size_t State::segment_offset(unsigned index) const {
  if (index == kTr) return at_.tr;
  if (index == kLdtr) return at_.ldtr;
  return at_.seg + 24 * size_t{index};
}

SegmentRegister State::segment(unsigned index) const {
  const size_t at = segment_offset(index);
  return {static_cast<uint16_t>(context_.get<uint32_t>(at)), context_.get<uint64_t>(at + 8),
          context_.get<uint32_t>(at + 16), to_attributes(context_.get<uint32_t>(at + 20))};
}

void State::set_segment(unsigned index, const SegmentRegister& value) {
  const size_t at = segment_offset(index);
  context_.set<uint32_t>(at, value.selector);
  context_.set<uint64_t>(at + 8, value.base);
  context_.set<uint32_t>(at + 16, value.limit);
  context_.set<uint32_t>(at + 20, to_flags(value.attributes));
}

TableRegister State::table(size_t offset) const {
  return {context_.get<uint64_t>(offset + 8), static_cast<uint16_t>(context_.get<uint32_t>(offset + 16))};
}

void State::set_table(size_t offset, const TableRegister& value) {
  context_.set<uint64_t>(offset + 8, value.base);
  context_.set<uint32_t>(offset + 16, value.limit);
}

// The engine's own control is where this is kept, so that it goes wherever the rest of the state goes.
bool State::nmis_blocked() const { return (word(at_.intercept) & kIretIntercept) != 0; }

void State::set_nmis_blocked(bool blocked) {
  set_word(at_.intercept, blocked ? kIntercepts | kIretIntercept : kIntercepts);
}

void State::set_cpl(unsigned cpl) {
  const uint64_t control = cr(0);
  const bool protection = (control & cr0::kPe) != 0, lma = (efer() & efer::kLma) != 0;
  const uint16_t code = segment(kCs).attributes, stack = segment(kSs).attributes;
  uint32_t flags = (hflags() & (kInhibit | kGuest)) | (cpl & 3);
  if (protection) flags |= kPeFlag;
  flags |= static_cast<uint32_t>(control << 8) & 0xe00;  // MP, EM, TS
  if (cr(4) & cr4::kOsfxsr) flags |= kOsfxsr;
  if (cr(4) & cr4::kSmap) flags |= kSmap;
  if (lma) flags |= kLma;
  if (lma && (code & seg::kLong) && !vm86()) {
    flags |= kCs32 | kSs32 | kCs64;
  } else {
    if (code & seg::kDb) flags |= kCs32;
    if (stack & seg::kDb) flags |= kSs32;
    const bool based = (segment(kDs).base | segment(kEs).base | segment(kSs).base) != 0;
    if (!protection || vm86() || !(flags & kCs32) || based) flags |= kAddseg;
  }
  set_hflags(flags);
}

CpuMode State::mode() const {
  if (!protected_mode()) return CpuMode::kReal;
  if (vm86()) return CpuMode::kVm86;
  if (long_mode()) return code64() ? CpuMode::kLong : CpuMode::kCompat;
  return code32() ? CpuMode::kProtected32 : CpuMode::kProtected16;
}

bool State::translates_as(const State& other) const {
  constexpr uint64_t kPaging = cr0::kPe | cr0::kPg | cr0::kWp;
  return ((cr(0) ^ other.cr(0)) & kPaging) == 0 && cr(3) == other.cr(3) && cr(4) == other.cr(4) &&
         efer() == other.efer();
}

uint64_t State::linear_rip() const {
  const uint64_t linear = segment(kCs).base + rip();
  return code64() ? rip() : linear & 0xffffffff;
}

void State::advance_rip(uint64_t bytes) {
  const uint64_t next = rip() + bytes;
  set_rip(code64() ? next : code32() ? next & 0xffffffff : next & 0xffff);
}

}  // namespace xensim::x86
