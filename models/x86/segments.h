// Descriptors: reading them from the GDT and LDT, and what of them a segment register keeps (SDM vol. 3, 3.4.5).
#pragma once

#include "models/x86/guest_access.h"

namespace xensim::x86 {

struct Descriptor {
  uint64_t raw = 0;

  uint16_t attributes() const { return static_cast<uint16_t>((raw >> 40 & 0xff) | (raw >> 44 & 0xf00)); }
  uint32_t base() const { return static_cast<uint32_t>((raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000)); }
  // In bytes, the granularity bit applied.
  uint32_t limit() const;
  unsigned dpl() const { return seg::dpl(attributes()); }
  bool present() const { return (attributes() & seg::kPresent) != 0; }
  bool is_code() const { return (attributes() & (seg::kSystem | seg::kCode)) == (seg::kSystem | seg::kCode); }
  bool is_writable_data() const {
    return (attributes() & (seg::kSystem | seg::kCode | seg::kWritable)) == (seg::kSystem | seg::kWritable);
  }
  SegmentRegister segment(uint16_t selector) const { return {selector, base(), limit(), attributes()}; }
};

// The descriptor that `selector` names; throws Fault{bad_vector, selector | ext} where it lies outside its table.
Descriptor load_descriptor(GuestAccess& access, const State& state, uint16_t selector, uint8_t bad_vector,
                           uint32_t ext);
// Sets the accessed bit in memory, if it is clear.
void mark_accessed(GuestAccess& access, const State& state, uint16_t selector, Descriptor& descriptor);

// Flat segments that SYSCALL and SYSENTER load, whatever the descriptor tables say.
SegmentRegister flat_code(uint16_t selector, unsigned dpl, bool long_mode);
SegmentRegister flat_stack(uint16_t selector, unsigned dpl);

}  // namespace xensim::x86
