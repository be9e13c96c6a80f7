// Where the fields of shared_info and vcpu_info lie that the core touches, in the layout a domain has latched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/domain.h"

namespace xensim::xen {

// One bit of guest memory, and the word (4 or 8 bytes) that it is reached through.
struct GuestBit {
  Maddr word;
  unsigned bytes;
  uint64_t mask;
};

// A snapshot of the latch: make one for each operation, so that an operation sees one layout.
class SharedLayout {
 public:
  explicit SharedLayout(const Domain& domain)
      : shared_info_(domain.shared_info()), abi32_(domain.abi32.load(std::memory_order_relaxed)) {}

  bool abi32() const { return abi32_; }
  unsigned word_bytes() const { return abi32_ ? 4 : 8; }
  unsigned word_bits() const { return word_bytes() * 8; }
  // Its logarithm: this is on the way of every event, and a division would cost more than the rest.
  unsigned word_shift() const { return abi32_ ? 5 : 6; }
  // Event channels that the 2-level ABI has in this layout.
  uint32_t ports() const { return word_bits() * word_bits(); }

  GuestBit pending(uint32_t port) const { return bit(shared_info_, offsetof(::shared_info, evtchn_pending), port); }
  GuestBit masked(uint32_t port) const {
    return bit(shared_info_, abi32_ ? offsetof(abi32::shared_info, evtchn_mask) : offsetof(::shared_info, evtchn_mask),
               port);
  }
  // The bit of evtchn_pending_sel for `port`, in the vcpu_info at `info`.
  GuestBit selector(Maddr info, uint32_t port) const { return bit(info, selector_offset(), port >> word_shift()); }
  Maddr selector_word(Maddr info) const { return {info.v + selector_offset()}; }

  Maddr wallclock() const {
    return {shared_info_.v + (abi32_ ? offsetof(abi32::shared_info, wc_version) : offsetof(::shared_info, wc_version))};
  }
  Maddr wallclock_sec_hi() const {
    return {shared_info_.v +
            (abi32_ ? offsetof(abi32::shared_info, arch.wc_sec_hi) : offsetof(::shared_info, wc_sec_hi))};
  }

 private:
  size_t selector_offset() const {
    return abi32_ ? offsetof(abi32::vcpu_info, evtchn_pending_sel) : offsetof(::vcpu_info, evtchn_pending_sel);
  }
  GuestBit bit(Maddr base, uint64_t offset, uint32_t number) const {
    const uint64_t word = number >> word_shift();
    return {{base.v + offset + word * word_bytes()}, word_bytes(), uint64_t{1} << (number & (word_bits() - 1))};
  }

  Maddr shared_info_;
  bool abi32_;
};

// The same in both layouts.
inline Maddr upcall_pending_at(Maddr info) { return {info.v + offsetof(::vcpu_info, evtchn_upcall_pending)}; }
inline Maddr upcall_mask_at(Maddr info) { return {info.v + offsetof(::vcpu_info, evtchn_upcall_mask)}; }
inline Maddr time_at(Maddr info) { return {info.v + offsetof(::vcpu_info, time)}; }

}  // namespace xensim::xen
