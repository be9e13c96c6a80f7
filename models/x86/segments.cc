#include "models/x86/segments.h"

namespace xensim::x86 {
namespace {

// Linear address of a selector's descriptor; nullopt: outside its table.
std::optional<uint64_t> descriptor_address(const State& state, uint16_t selector) {
  uint64_t base = 0, limit = 0;
  if (selector & 4) {
    const SegmentRegister ldt = state.segment(kLdtr);
    if ((ldt.selector & ~3) == 0) return std::nullopt;
    base = ldt.base;
    limit = ldt.limit;
  } else {
    base = state.gdtr().base;
    limit = state.gdtr().limit;
  }
  const uint64_t offset = selector & ~7u;
  if (offset + 7 > limit) return std::nullopt;
  return base + offset;
}

}  // namespace

uint32_t Descriptor::limit() const {
  const auto limit = static_cast<uint32_t>((raw & 0xffff) | (raw >> 32 & 0xf0000));
  return attributes() & seg::kGranular ? limit << 12 | 0xfff : limit;
}

Descriptor load_descriptor(GuestAccess& access, const State& state, uint16_t selector, uint8_t bad_vector,
                           uint32_t ext) {
  const auto at = descriptor_address(state, selector);
  if (!at) throw Fault{bad_vector, (selector & ~3u) | ext, 0};
  return {access.load(*at, 8, false)};
}

void mark_accessed(GuestAccess& access, const State& state, uint16_t selector, Descriptor& descriptor) {
  if (descriptor.attributes() & seg::kAccessed) return;
  descriptor.raw |= uint64_t{1} << 40;
  if (const auto at = descriptor_address(state, selector)) access.store(*at + 5, 1, descriptor.raw >> 40 & 0xff, false);
}

SegmentRegister flat_code(uint16_t selector, unsigned dpl, bool long_mode) {
  return {selector, 0, 0xffffffff,
          static_cast<uint16_t>(0x9b | dpl << 5 | seg::kGranular | (long_mode ? seg::kLong : seg::kDb))};
}

SegmentRegister flat_stack(uint16_t selector, unsigned dpl) {
  return {selector, 0, 0xffffffff, static_cast<uint16_t>(0x93 | dpl << 5 | seg::kDb | seg::kGranular)};
}

}  // namespace xensim::x86
