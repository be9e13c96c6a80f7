// MOV to CR0, CR3, CR4 and CR8, LMSW and CLTS: what the engine would let into them is #GP(0) where the manual says so
// (SDM vol. 3, 2.5; vol. 2, MOV to control registers), and what CPUID does not offer cannot be switched on.
#include "models/base/check.h"
#include "models/x86/cpuid.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {
namespace {

constexpr uint64_t kCr0Bits = cr0::kPe | cr0::kMp | cr0::kEm | cr0::kTs | cr0::kEt | cr0::kNe | cr0::kWp | cr0::kAm |
                              cr0::kNw | cr0::kCd | cr0::kPg;
constexpr uint64_t kPhysicalLimit = uint64_t{1} << 40;  // CPUID 0x80000008

// Those bits of CR4 that some feature of CPUID brings with it; PCE has always been there.
uint64_t allowed_cr4() {
  const CpuidResult one = native_cpuid(1, 0), seven = native_cpuid(7, 0);
  const struct {
    uint32_t word;
    unsigned bit;
    uint64_t allows;
  } kRows[] = {{one.edx, 1, cr4::kVme | cr4::kPvi},
               {one.edx, 2, cr4::kDe},
               {one.edx, 3, cr4::kPse},
               {one.edx, 4, cr4::kTsd},
               {one.edx, 6, cr4::kPae},
               {one.edx, 7, cr4::kMce},
               {one.edx, 13, cr4::kPge},
               {one.edx, 24, cr4::kOsfxsr},
               {one.edx, 25, cr4::kOsxmmexcpt},
               {seven.ecx, 2, cr4::kUmip},
               {seven.ecx, 16, cr4::kLa57},
               {one.ecx, 5, cr4::kVmxe},
               {seven.ebx, 0, cr4::kFsgsbase},
               {one.ecx, 17, cr4::kPcide},
               {one.ecx, 26, cr4::kOsxsave},
               {seven.ebx, 7, cr4::kSmep},
               {seven.ebx, 20, cr4::kSmap},
               {seven.ecx, 3, cr4::kPke}};
  uint64_t allowed = cr4::kPce;
  for (const auto& row : kRows) {
    if (row.word >> row.bit & 1) allowed |= row.allows;
  }
  return allowed;
}

bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer) {
  return (cr0 & cr0::kPg) && (cr4 & cr4::kPae) && !(efer & efer::kLma);
}

}  // namespace

// The four entries that PAE paging loads at once (SDM vol. 3, 4.4.1).
bool SoftCpu::pdptes_valid(uint64_t cr3) {
  constexpr uint64_t kReserved = 0x1e6 | ~(kPhysicalLimit - 1);
  for (unsigned i = 0; i < 4; ++i) {
    const uint64_t entry = memory_.read((cr3 & 0xffffffe0) + 8 * i, 8);
    if ((entry & 1) && (entry & kReserved)) return false;
  }
  return true;
}

// As the next two: false is #GP(0), and nothing has changed.
bool SoftCpu::set_cr0(uint64_t value) {
  State& s = state();
  if (value >> 32) return false;
  value = (value & kCr0Bits) | cr0::kEt;
  const uint64_t old = s.cr(0), changes = value ^ old;
  const bool paging = (value & cr0::kPg) != 0;
  if (paging && !(value & cr0::kPe)) return false;
  if ((value & cr0::kNw) && !(value & cr0::kCd)) return false;
  uint64_t efer = s.efer();
  if (changes & cr0::kPg) {
    if (!paging && s.code64()) return false;
    if (paging && (efer & efer::kLme)) {
      if (!(s.cr(4) & cr4::kPae) || (s.segment(kCs).attributes & seg::kLong)) return false;
      efer |= efer::kLma;
    }
    if (!paging) efer &= ~efer::kLma;
  }
  const bool loads_pdptes = (changes & (cr0::kPg | cr0::kCd | cr0::kNw)) && pae_paging(value, s.cr(4), efer);
  if (loads_pdptes && !pdptes_valid(s.cr(3))) return false;
  s.set_cr(0, value);
  s.set_efer(efer);
  s.set_cpl(0);
  if (changes & (cr0::kPg | cr0::kWp | cr0::kPe)) engine_->flush_tlb();
  return true;
}

bool SoftCpu::set_cr3(uint64_t value) {
  State& s = state();
  if (s.long_mode() && value >= kPhysicalLimit) return false;
  if (pae_paging(s.cr(0), s.cr(4), s.efer()) && !pdptes_valid(value)) return false;
  s.set_cr(3, value);
  if (s.cr(0) & cr0::kPg) engine_->flush_tlb();
  return true;
}

bool SoftCpu::set_cr4(uint64_t value) {
  static const uint64_t kAllowed = allowed_cr4();
  State& s = state();
  const uint64_t changes = value ^ s.cr(4);
  if (value & ~kAllowed) return false;
  if (s.long_mode() && !(value & cr4::kPae)) return false;
  const bool loads_pdptes = (changes & (cr4::kPae | cr4::kPge | cr4::kPse | cr4::kSmep)) != 0;
  if (loads_pdptes && pae_paging(s.cr(0), value, s.efer()) && !pdptes_valid(s.cr(3))) return false;
  s.set_cr(4, value);
  s.set_cpl(0);
  if (changes & (cr4::kPse | cr4::kPae | cr4::kPge | cr4::kSmep | cr4::kSmap)) engine_->flush_tlb();
  return true;
}

// Throws Fault.
uint16_t SoftCpu::lmsw_operand(std::span<const uint8_t> bytes, const Prefixes& prefixes) {
  const State& s = state();
  const uint8_t modrm = bytes[prefixes.count + 2];
  if (modrm >= 0xc0) return static_cast<uint16_t>(s.gpr((modrm & 7) | (prefixes.rex & 1) << 3));
  const std::vector<MemoryOperand> operands = operands_.operands(bytes, s);
  XS_CHECK_MSG(!operands.empty(), "an LMSW without its operand");
  if (!within_segment(s, operands[0]))
    throw Fault{operands[0].segment == kSs ? uint8_t{kStackFault} : uint8_t{kGeneralProtection}, 0, 0};
  return static_cast<uint16_t>(GuestAccess(memory_, *this, s).load(operands[0].linear, 2, false, true));
}

void SoftCpu::serve_control_register() {
  std::vector<uint8_t> bytes;
  const Instruction instruction = instruction_here(bytes);
  State& s = state();
  const CodeSize size = code_size(s.code64(), s.code32());
  const Prefixes prefixes = parse_prefixes(bytes, size);
  const uint8_t opcode = bytes.at(prefixes.count + 1);
  bool ok = false;
  if (opcode == 0x06) {  // CLTS
    ok = set_cr0(s.cr(0) & ~cr0::kTs);
  } else if (opcode == 0x01) {  // LMSW: the low four bits, and PE only to 1
    try {
      const uint16_t word = lmsw_operand(bytes, prefixes);
      ok = set_cr0((s.cr(0) & ~uint64_t{0xe}) | (word & 0xf));
    } catch (const Fault& fault) {
      return raise(fault.vector, fault.code, fault.cr2);
    }
  } else {
    const uint8_t modrm = bytes.at(prefixes.count + 2);
    const unsigned index = (modrm >> 3 & 7) | (prefixes.rex & 4) << 1, reg = (modrm & 7) | (prefixes.rex & 1) << 3;
    const uint64_t value = size == CodeSize::k64 ? s.gpr(reg) : s.gpr(reg) & 0xffffffff;
    switch (index) {
      case 0: ok = set_cr0(value); break;
      case 3: ok = set_cr3(value); break;
      case 4: ok = set_cr4(value); break;
      default:
        ok = value < 16;
        if (ok) client_.set_cr8(VcpuId{loaded_}, static_cast<uint8_t>(value));
    }
  }
  changed();
  if (!ok) return raise(kGeneralProtection);
  step_over(instruction.length);
}

void SoftCpu::serve_cr8_read() {
  std::vector<uint8_t> bytes;
  const unsigned length = instruction_here(bytes).length;
  const Prefixes prefixes = parse_prefixes(bytes, code_size(state().code64(), state().code32()));
  const unsigned reg = (bytes.at(prefixes.count + 2) & 7) | (prefixes.rex & 1) << 3;
  const uint8_t value = client_.cr8(VcpuId{loaded_});
  state().set_gpr(reg, value);
  step_over(length);
}

}  // namespace xensim::x86
