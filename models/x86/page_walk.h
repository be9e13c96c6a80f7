// The guest's page tables, walked as the processor does it (SDM vol. 3, chapter 4): 4-level, PAE and 32-bit paging,
// large pages, U/S, R/W, XD, WP, SMEP, SMAP and reserved bits.
#pragma once

#include <optional>

#include "models/base/cpu.h"
#include "models/x86/engine/physical_memory.h"
#include "models/x86/state.h"

namespace xensim::x86 {

struct WalkRequest {
  Access access = Access::kRead;
  bool user = false;  // an access at CPL 3 (implicit ones, to descriptor tables and stacks of a gate, are not)
  bool explicit_access = true;  // made by an instruction's own operand: EFLAGS.AC can suspend SMAP
  bool set_bits = false;        // set the accessed and dirty bits, as a real access does
};

struct WalkResult {
  bool ok = false;
  uint64_t gpa = 0;         // ok
  uint32_t error_code = 0;  // not ok: what #PF pushes
};

// Where 4-level tables lead to, with nothing changed in them.
struct Leaf {
  uint64_t gpa;
  uint64_t bytes;  // of the page: 4 KiB or 2 MiB
  bool user, writable, no_execute, dirty;
};
// nullopt: not present, a reserved bit is set or the address is not canonical; or an accessed bit is still to be set.
std::optional<Leaf> find_leaf(const PhysicalMemory& memory, uint64_t cr3, bool nxe, uint64_t linear);

WalkResult walk(PhysicalMemory& memory, const State& state, uint64_t linear, const WalkRequest& request);

}  // namespace xensim::x86
