// The registers of a hypercall: all that its caller and its decoder need, and nothing of the core.
#pragma once

#include <array>
#include <cstdint>

namespace xensim::xen {

struct HypercallRegs {
  bool mode64 = true;  // 64-bit ABI: long mode; else 32-bit, arguments are 32 bits wide
  uint8_t cpl = 0;
  bool interrupts_enabled = true;  // RFLAGS.IF: SCHEDOP_block and poll do not sleep over an upcall that could be taken
  uint64_t nr = 0;                 // RAX
  std::array<uint64_t, 6> args{};  // RDI, RSI, RDX, R10, R8, R9 or EBX, ECX, EDX, ESI, EDI, EBP
};

}  // namespace xensim::xen
