// Delivery of exceptions and interrupts: IVT in real mode, IDT gates in protected and long mode, with the stack of the
// new privilege level, task gates, error codes, and double and triple faults (SDM vol. 3, chapter 6).
#pragma once

#include <string>

#include "models/x86/guest_access.h"

namespace xensim::x86 {

enum class EventKind {
  kFault,               // an exception; RIP is at the instruction
  kTrap,                // an exception after an instruction (#DB of TF); RIP is past it
  kSoftware,            // INT n, INT3, INTO; RIP is past it
  kPrivilegedSoftware,  // INT1; RIP is past it, and the gate's DPL is not looked at
  kExternal,            // an interrupt
};

struct Event {
  EventKind kind = EventKind::kFault;
  uint8_t vector = 0;
  uint32_t error_code = 0;
  uint64_t cr2 = 0;  // #PF
  uint64_t instruction =
      0;  // kSoftware, kPrivilegedSoftware: RIP of the instruction, where RIP goes back to if delivery faults
};

// Delivers `event` (and what its delivery raises in turn) into `state`. False: a triple fault; `chain` then says how it
// came about, and the state is that of the last attempt.
bool deliver(PhysicalMemory& memory, MmioSink& mmio, State& state, const Event& event, std::string& chain);

}  // namespace xensim::x86
