// The debug registers' breakpoints (SDM vol. 3, 17.2): which of them an address meets. What an instruction meets is
// found before it runs, and CPUs step while any is armed.
#pragma once

#include "models/x86/state.h"

namespace xensim::x86 {

namespace dr6 {
inline constexpr uint64_t kHits = 0xf, kBd = 1 << 13, kBs = 1 << 14, kBt = 1 << 15;
}
namespace dr7 {
inline constexpr uint64_t kEnables = 0xff, kLocal = 0x155, kGd = 1 << 13, kBits = 0xffff23ff, kFixed = 0x400;
}

// Is any breakpoint enabled?
inline bool breakpoints_armed(const State& state) { return (state.dr(7) & dr7::kEnables) != 0; }
// Bit n: breakpoint n is met. By the instruction at this linear address; by an access of `bytes` to one; by one to a
// port (only with CR4.DE).
unsigned code_hits(const State& state, uint64_t linear);
unsigned data_hits(const State& state, uint64_t linear, unsigned bytes, bool write);
unsigned port_hits(const State& state, uint16_t port, unsigned bytes);

// What DR6 is after a #DB of these causes: the hits are the last one's alone, the rest stays set until it is cleared.
inline void set_debug_cause(State& state, uint64_t causes) { state.set_dr(6, (state.dr(6) & ~dr6::kHits) | causes); }

}  // namespace xensim::x86
