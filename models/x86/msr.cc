#include "models/x86/msr.h"

#include <optional>

namespace xensim::x86 {
namespace {

// MSRs kept as they are in one 64-bit word of the engine's state; `canonical` ones hold addresses.
struct WordMsr {
  uint32_t msr;
  size_t EnvLayout::*offset;
  bool canonical;
};
constexpr std::array kWordMsrs = {WordMsr{0x175, &EnvLayout::sysenter_esp, true},
                                  WordMsr{0x176, &EnvLayout::sysenter_eip, true},
                                  WordMsr{0xc0000081, &EnvLayout::star, false},
                                  WordMsr{0xc0000082, &EnvLayout::lstar, true},
                                  WordMsr{0xc0000083, &EnvLayout::cstar, true},
                                  WordMsr{0xc0000084, &EnvLayout::fmask, false},
                                  WordMsr{0xc0000102, &EnvLayout::kernel_gs_base, true},
                                  WordMsr{0xc0000103, &EnvLayout::tsc_aux, false},
                                  WordMsr{0x277, &EnvLayout::pat, false},
                                  WordMsr{0x1a0, &EnvLayout::misc_enable, false}};

const WordMsr* find_word(uint32_t msr) {
  for (const WordMsr& row : kWordMsrs) {
    if (row.msr == msr) return &row;
  }
  return nullptr;
}

// Index into mtrr_fixed.
std::optional<size_t> fixed_index(uint32_t msr) {
  if (msr == 0x250) return 0;
  if (msr == 0x258 || msr == 0x259) return msr - 0x257;
  if (msr >= 0x268 && msr <= 0x26f) return msr - 0x268 + 3;
  return std::nullopt;
}

constexpr uint32_t kMtrrCap = 0xfe, kMtrrDefault = 0x2ff, kMtrrFirst = 0x200, kMtrrLast = 0x20f;
constexpr uint32_t kEfer = 0xc0000080, kFsBase = 0xc0000100, kGsBase = 0xc0000101, kSysenterCs = 0x174, kPat = 0x277;
constexpr uint32_t kDebugControl = 0x1d9;
constexpr uint64_t kDebugControlBits = 3;  // LBR, BTF (SDM vol. 3, 18.4.1)
constexpr uint32_t kMicrocode = 0x8b, kTscAux = 0xc0000103, kFmask = 0xc0000084, kArchCapabilities = 0x10a;

// IA32_ARCH_CAPABILITIES (SDM vol. 4, table 2-2): nothing here speculates, so guests need none of their mitigations.
// RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO,
// PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO.
constexpr uint64_t kNotVulnerable = 1u << 0 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8 | 1u << 13 | 1u << 14 |
                                    1u << 15 | 1u << 20 | 1u << 24 | 1u << 26 | 1u << 27 | uint64_t{1} << 62;

bool valid_memory_type(uint64_t type) { return type <= 1 || (type >= 4 && type <= 6); }

bool valid_pat(uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) {
    const uint64_t type = value >> 8 * i & 0xff;
    if (!valid_memory_type(type) && type != 7) return false;
  }
  return true;
}

MsrOutcome write_efer(State& state, uint64_t value) {
  constexpr uint64_t kKnown = efer::kSce | efer::kLme | efer::kLma | efer::kNxe;
  if (value & ~kKnown) return MsrOutcome::kFault;
  const uint64_t old = state.efer();
  if ((state.cr(0) & cr0::kPg) && ((value ^ old) & efer::kLme)) return MsrOutcome::kFault;
  state.set_efer((value & ~efer::kLma) | (old & efer::kLma));
  return MsrOutcome::kDone;
}

MsrOutcome write_segment_base(State& state, unsigned index, uint64_t value) {
  if (!is_canonical(value)) return MsrOutcome::kFault;
  SegmentRegister segment = state.segment(index);
  segment.base = value;
  state.set_segment(index, segment);
  return MsrOutcome::kDone;
}

}  // namespace

MsrOutcome MsrFile::read(const State& state, uint32_t msr, uint64_t& value) const {
  if (const WordMsr* row = find_word(msr)) {
    value = state.word(state.layout().*row->offset);
  } else if (const auto fixed = fixed_index(msr)) {
    value = mtrr_fixed[*fixed];
  } else if (msr >= kMtrrFirst && msr <= kMtrrLast) {
    value = mtrr_variable[msr - kMtrrFirst];
  } else if (machine_checks.has(msr)) {
    value = machine_checks.read(msr);
  } else {
    switch (msr) {
      case kEfer: value = state.efer(); break;
      case kFsBase: value = state.segment(kFs).base; break;
      case kGsBase: value = state.segment(kGs).base; break;
      case kSysenterCs: value = state.sysenter_cs(); break;
      case kMtrrCap: value = 0x508; break;  // 8 variable ranges, fixed ranges, write combining
      case kMtrrDefault: value = mtrr_default; break;
      case kMicrocode: value = 0; break;
      case kDebugControl: value = debug_control; break;
      case kArchCapabilities: value = kNotVulnerable; break;
      default: return MsrOutcome::kClient;
    }
  }
  return MsrOutcome::kDone;
}

MsrOutcome MsrFile::write(State& state, uint32_t msr, uint64_t value) {
  if (const WordMsr* row = find_word(msr)) {
    if (row->canonical && !is_canonical(value)) return MsrOutcome::kFault;
    if (msr == kPat && !valid_pat(value)) return MsrOutcome::kFault;
    if ((msr == kTscAux || msr == kFmask) && value >> 32) return MsrOutcome::kFault;
    state.set_word(state.layout().*row->offset, value);
    return MsrOutcome::kDone;
  }
  if (const auto fixed = fixed_index(msr)) {
    for (unsigned i = 0; i < 8; ++i) {
      if (!valid_memory_type(value >> 8 * i & 0xff)) return MsrOutcome::kFault;
    }
    mtrr_fixed[*fixed] = value;
    return MsrOutcome::kDone;
  }
  if (msr >= kMtrrFirst && msr <= kMtrrLast) {
    const bool mask = msr & 1;
    if (value >> 40 || (mask ? value & 0x7ff : (value & 0xf00) || !valid_memory_type(value & 0xff)))
      return MsrOutcome::kFault;
    mtrr_variable[msr - kMtrrFirst] = value;
    return MsrOutcome::kDone;
  }
  if (machine_checks.has(msr)) return machine_checks.write(msr, value) ? MsrOutcome::kDone : MsrOutcome::kFault;
  switch (msr) {
    case kEfer: return write_efer(state, value);
    case kFsBase: return write_segment_base(state, kFs, value);
    case kGsBase: return write_segment_base(state, kGs, value);
    case kSysenterCs: state.set_sysenter_cs(static_cast<uint32_t>(value)); return MsrOutcome::kDone;
    case kArchCapabilities:
    case kMtrrCap: return MsrOutcome::kFault;
    case kMtrrDefault:
      if ((value & ~uint64_t{0xcff}) || !valid_memory_type(value & 0xff)) return MsrOutcome::kFault;
      mtrr_default = value;
      return MsrOutcome::kDone;
    case kMicrocode: return MsrOutcome::kDone;
    case kDebugControl:
      if (value & ~kDebugControlBits) return MsrOutcome::kFault;
      debug_control = value;
      return MsrOutcome::kDone;
    default: return MsrOutcome::kClient;
  }
}

}  // namespace xensim::x86
