// Loads and stores at guest-linear addresses, on behalf of what the processor does itself: event frames, descriptors,
// task state segments, string I/O. Faults come back as a thrown Fault, which event delivery and emulation catch.
#pragma once

#include "models/x86/page_walk.h"

namespace xensim::x86 {

// An exception that an access or a check raised; data, not an error of ours. Never leaves models/x86.
struct Fault {
  uint8_t vector = kGeneralProtection;
  uint32_t code = 0;
  uint64_t cr2 = 0;          // kPageFault alone
  bool in_new_task = false;  // a task switch was done; the state is the new task's
};

constexpr bool has_error_code(uint8_t vector) {
  return vector == kDoubleFault || (vector >= kInvalidTss && vector <= kPageFault) || vector == kAlignmentCheck;
}

class GuestAccess {
 public:
  GuestAccess(PhysicalMemory& memory, MmioSink& mmio, const State& state)
      : memory_(memory), mmio_(mmio), state_(state) {}

  // `user`: the access is made at CPL 3. All sizes from 1 to 8 bytes; both throw Fault (#PF).
  uint64_t load(uint64_t linear, unsigned bytes, bool user, bool explicit_access = false);
  void store(uint64_t linear, unsigned bytes, uint64_t value, bool user, bool explicit_access = false);
  // Throws #PF unless all `bytes` could be accessed; reads or writes nothing (accessed and dirty bits are set).
  void probe(uint64_t linear, unsigned bytes, Access access, bool user, bool explicit_access = false);

 private:
  uint64_t to_physical(uint64_t linear, Access access, bool user, bool explicit_access);

  PhysicalMemory& memory_;
  MmioSink& mmio_;
  const State& state_;
};

}  // namespace xensim::x86
