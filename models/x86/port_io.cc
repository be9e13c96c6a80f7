// IN, OUT, INS and OUTS. The engine checks no privilege for them and cannot stop in the middle of a block, so they are
// done here.
#include "models/base/check.h"
#include "models/x86/debug.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {
namespace {

uint64_t size_mask(unsigned bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

// Writes the low `bytes` of a register as an instruction does: 4 bytes clear the upper half in every mode.
uint64_t merge(uint64_t old, uint64_t value, unsigned bytes) {
  if (bytes >= 4) return value & 0xffffffff;
  const uint64_t mask = size_mask(8 * bytes);
  return (old & ~mask) | (value & mask);
}

}  // namespace

void SoftCpu::serve_special(const Block& block) {
  const InstructionClass kind = block.special_kind;
  block_ = nullptr;
  done_ = open_ = 0;
  rep_pc_ = kNone;
  switch (kind) {
    case InstructionClass::kPortIo: serve_ports(); break;
    case InstructionClass::kIcebp: serve_icebp(); break;
    default: raise(kInvalidOpcode); break;
  }
  attend();
  if (!exit_) divert();
}

// INT1 (SDM vol. 2, INT n): an interrupt of the program's that no gate's DPL forbids. DR6 stays as it is.
void SoftCpu::serve_icebp() {
  std::vector<uint8_t> bytes;
  const unsigned length = instruction_here(bytes).length;
  State& s = state();
  const uint64_t instruction = s.rip();
  s.advance_rip(length);
  ++current_->retired;
  deliver_event({.kind = EventKind::kPrivilegedSoftware, .vector = kDebug, .instruction = instruction});
}

// SDM vol. 1, 19.5: IOPL first, then the bitmap in the task state segment.
bool SoftCpu::port_allowed(uint16_t port, unsigned bytes) {
  State& s = state();
  const auto iopl = static_cast<unsigned>(s.rflags() >> 12 & 3);
  if (!s.protected_mode() || (!s.vm86() && s.cpl() <= iopl)) return true;
  const SegmentRegister tss = s.segment(kTr);
  const unsigned type = tss.attributes & seg::kTypeMask;
  if ((type != 9 && type != 11) || tss.limit < 103) return false;
  GuestAccess access(memory_, *this, s);
  const uint64_t map = access.load(tss.base + 102, 2, false), at = map + port / 8;
  if (at + 1 > tss.limit) return false;
  const uint64_t word = access.load(tss.base + at, 2, false);
  return (word >> port % 8 & size_mask(bytes)) == 0;
}

void SoftCpu::serve_ports() {
  current_->nmi_late = false;
  std::vector<uint8_t> bytes;
  const Instruction instruction = instruction_here(bytes);
  State& s = state();
  const CodeSize size = code_size(s.code64(), s.code32());
  const Prefixes prefixes = parse_prefixes(bytes, size);
  const uint8_t opcode = bytes.at(prefixes.count);
  const bool wide_operand = (size != CodeSize::k16) != prefixes.operand;
  const unsigned width = !(opcode & 1) ? 1 : wide_operand ? 4 : 2;
  const bool immediate = opcode >= 0xe4 && opcode <= 0xe7;
  const auto port = immediate ? uint16_t{bytes.at(prefixes.count + 1)} : static_cast<uint16_t>(s.gpr(kRdx));
  try {
    if (!port_allowed(port, width)) return raise(kGeneralProtection);
    if (opcode < 0x70) return serve_string_port(prefixes, opcode, port, width);
    if (opcode & 2) {
      client_.port_out(VcpuId{loaded_}, port, width, static_cast<uint32_t>(s.gpr(kRax) & size_mask(8 * width)));
    } else {
      const uint32_t value = client_.port_in(VcpuId{loaded_}, port, width);
      state().set_gpr(kRax, merge(state().gpr(kRax), value, width));
      changed();
    }
  } catch (const Fault& fault) {
    return raise(fault.vector, fault.code, fault.cr2);
  }
  current_->debug_hits |= static_cast<uint8_t>(port_hits(state(), port, width));
  step_over(instruction.length);
}

// One iteration; with REP, RIP stays until the counter is zero. Throws Fault.
void SoftCpu::serve_string_port(const Prefixes& prefixes, uint8_t opcode, uint16_t port, unsigned width) {
  State& s = state();
  std::vector<uint8_t> bytes;
  const Instruction instruction = instruction_here(bytes);
  const bool repeat = prefixes.rep || prefixes.repne, in = opcode < 0x6e;
  const uint64_t mask = size_mask(instruction.address_bits);
  const uint64_t left = s.gpr(kRcx) & mask;
  if (repeat && left == 0) return void(step_over(instruction.length));

  const Gpr index = in ? kRdi : kRsi;
  const unsigned segment = in || prefixes.segment < 0 ? (in ? kEs : kDs) : static_cast<unsigned>(prefixes.segment);
  const SegmentRegister data = s.segment(segment);
  const uint64_t offset = s.gpr(index) & mask;
  const bool flat = s.code64();
  if (!flat && offset + width - 1 > data.limit)
    throw Fault{segment == kSs ? uint8_t{kStackFault} : uint8_t{kGeneralProtection}, 0, 0};
  const bool based = !flat || segment == kFs || segment == kGs;
  uint64_t linear = offset + (based ? data.base : 0);
  if (!flat) linear &= 0xffffffff;
  if (flat && !is_canonical(linear)) throw Fault{kGeneralProtection, 0, 0};
  const bool user = s.cpl() == 3;
  GuestAccess access(memory_, *this, s);
  if (in) {
    access.probe(linear, width, Access::kWrite, user, true);
    access.store(linear, width, client_.port_in(VcpuId{loaded_}, port, width), user, true);
  } else {
    client_.port_out(VcpuId{loaded_}, port, width, static_cast<uint32_t>(access.load(linear, width, user, true)));
  }
  const auto advance = [&](Gpr reg, uint64_t by) {
    const uint64_t next = (s.gpr(reg) + by) & mask;
    s.set_gpr(reg, instruction.address_bits == 16 ? (s.gpr(reg) & ~mask) | next : next);
  };
  advance(index, s.rflags() & flag::kDf ? -uint64_t{width} : width);
  if (repeat) advance(kRcx, ~uint64_t{0});
  changed();
  current_->debug_hits |= static_cast<uint8_t>(port_hits(s, port, width));
  step_over(repeat && left > 1 ? 0 : instruction.length);
}

}  // namespace xensim::x86
