#include "models/x86/debug.h"

#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {
namespace {

enum class BreakOn : unsigned { kExecution, kWrite, kPort, kAccess };

struct Breakpoint {
  BreakOn on;
  uint64_t first, last;
};

// Breakpoint `n`, if it is enabled. Its address is aligned to its length.
std::optional<Breakpoint> breakpoint(const State& state, unsigned n) {
  constexpr unsigned kBytes[] = {1, 2, 8, 4};
  const uint64_t control = state.dr(7);
  if ((control >> 2 * n & 3) == 0) return std::nullopt;
  const auto on = static_cast<BreakOn>(control >> (16 + 4 * n) & 3);
  const unsigned bytes = on == BreakOn::kExecution ? 1 : kBytes[control >> (18 + 4 * n) & 3];
  const uint64_t address = state.dr(n) & ~uint64_t{bytes - 1};
  return Breakpoint{on, address, address + bytes - 1};
}

template <class Match>
unsigned hits(const State& state, uint64_t first, unsigned bytes, const Match& match) {
  unsigned met = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const auto b = breakpoint(state, n);
    if (b && match(b->on) && first <= b->last && first + bytes - 1 >= b->first) met |= 1u << n;
  }
  return met;
}

// MOV SS and POP SS keep debug exceptions away until after the next instruction (SDM vol. 3, 6.8.3).
bool loads_ss(std::span<const uint8_t> bytes, CodeSize size) {
  const unsigned at = parse_prefixes(bytes, size).count;
  if (at >= bytes.size()) return false;
  if (bytes[at] == 0x17) return size != CodeSize::k64;
  return bytes[at] == 0x8e && at + 1 < bytes.size() && (bytes[at + 1] >> 3 & 7) == 2;
}

}  // namespace

unsigned code_hits(const State& state, uint64_t linear) {
  return hits(state, linear, 1, [](BreakOn on) { return on == BreakOn::kExecution; });
}

unsigned data_hits(const State& state, uint64_t linear, unsigned bytes, bool write) {
  return hits(state, linear, bytes,
              [&](BreakOn on) { return on == BreakOn::kAccess || (write && on == BreakOn::kWrite); });
}

unsigned port_hits(const State& state, uint16_t port, unsigned bytes) {
  if (!(state.cr(4) & cr4::kDe)) return 0;
  return hits(state, port, bytes, [](BreakOn on) { return on == BreakOn::kPort; });
}

// A breakpoint on data or a port was met by the instruction that is done: the trap, unless that one's shadow keeps it
// for after the next. True: it was delivered.
bool SoftCpu::take_debug_trap() {
  if (current_->after_mov_ss) return false;
  set_debug_cause(state(), std::exchange(current_->debug_hits, uint8_t{0}));
  deliver_event({.kind = EventKind::kTrap, .vector = kDebug});
  if (!exit_) divert();
  return true;
}

// Before an instruction, while breakpoints are armed. True: it is not to be run, as one on it was met.
bool SoftCpu::at_breakpoint(const Block& block, bool repeats) {
  State& s = state();
  const bool after_ss = std::exchange(current_->after_mov_ss, false);
  if (!(s.rflags() & flag::kRf) && !repeats && !after_ss) {
    if (const unsigned met = code_hits(s, block.pc)) {
      set_debug_cause(s, met);
      deliver_event({.kind = EventKind::kFault, .vector = kDebug});
      if (!exit_) divert();
      return true;
    }
  }
  const std::vector<uint8_t> bytes = code_at(block.pc, 15);
  current_->after_mov_ss = loads_ss(bytes, code_size(s.code64(), s.code32()));
  for (const MemoryOperand& operand : operands_.operands(bytes, s))
    current_->debug_hits |= static_cast<uint8_t>(data_hits(s, operand.linear, operand.bytes, operand.write));
  // The engine does not clear it after every instruction. A repeated one keeps it until its end.
  if ((s.rflags() & flag::kRf) && block.special != 0) s.set_rflags(s.rflags() & ~flag::kRf);
  return false;
}

// TF's trap after an instruction, from the linear address `next_in_line` on if it was no branch. False: BTF says that
// there is none.
bool SoftCpu::single_step_trap(uint64_t next_in_line) {
  State& s = state();
  constexpr uint64_t kBtf = 2;
  const uint64_t linear = s.linear_rip();
  const bool branch = linear != next_in_line;
  if ((current_->msrs.debug_control & kBtf) && !branch) {
    s.set_dr(6, s.dr(6) & ~dr6::kBs);  // the engine has set it
    s.clear_exception();
    changed();
    return false;
  }
  set_debug_cause(s, dr6::kBs | std::exchange(current_->debug_hits, uint8_t{0}));
  deliver_event({.kind = EventKind::kTrap, .vector = kDebug});
  return true;
}

}  // namespace xensim::x86
