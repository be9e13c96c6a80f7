// A Platform that does each access and nothing else: flat machine memory, identity page tables, a clock that is set by
// hand. For benchmarks of the core alone, and the base of the unit tests' FakePlatform.
#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "models/base/check.h"
#include "models/base/copy_bytes.h"
#include "models/xen/api/platform.h"

namespace xensim {

// `ram_bytes` of machine memory from address 0; pages from allocate_page follow it.
class PlainPlatform : public xen::Platform {
 public:
  explicit PlainPlatform(uint64_t ram_bytes, uint64_t extra_pages = 64)
      : memory_((ram_bytes + extra_pages * kPageSize) / 8), next_page_(ram_bytes >> kPageShift) {}

  std::byte* host(Maddr at) { return reinterpret_cast<std::byte*>(memory_.data()) + at.v; }

  uint64_t load(xen::Site, Maddr at, unsigned bytes) override {
    switch (bytes) {
      case 1: return __atomic_load_n(word<uint8_t>(at), __ATOMIC_SEQ_CST);
      case 2: return __atomic_load_n(word<uint16_t>(at), __ATOMIC_SEQ_CST);
      case 4: return __atomic_load_n(word<uint32_t>(at), __ATOMIC_SEQ_CST);
      default: return __atomic_load_n(word<uint64_t>(at), __ATOMIC_SEQ_CST);
    }
  }
  void store(xen::Site, Maddr at, unsigned bytes, uint64_t value) override {
    switch (bytes) {
      case 1: return __atomic_store_n(word<uint8_t>(at), static_cast<uint8_t>(value), __ATOMIC_SEQ_CST);
      case 2: return __atomic_store_n(word<uint16_t>(at), static_cast<uint16_t>(value), __ATOMIC_SEQ_CST);
      case 4: return __atomic_store_n(word<uint32_t>(at), static_cast<uint32_t>(value), __ATOMIC_SEQ_CST);
      default: return __atomic_store_n(word<uint64_t>(at), value, __ATOMIC_SEQ_CST);
    }
  }
  uint64_t rmw(xen::Site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override {
    switch (bytes) {
      case 1: return rmw_as<uint8_t>(at, op, operand, expected);
      case 2: return rmw_as<uint16_t>(at, op, operand, expected);
      case 4: return rmw_as<uint32_t>(at, op, operand, expected);
      default: return rmw_as<uint64_t>(at, op, operand, expected);
    }
  }
  void read(xen::Site, Maddr from, std::span<std::byte> to) override { copy_bytes(to.data(), host(from), to.size()); }
  void write(xen::Site, Maddr to, std::span<const std::byte> from) override {
    copy_bytes(host(to), from.data(), from.size());
  }
  void copy(xen::Site, Maddr to, Maddr from, uint32_t bytes) override { std::memmove(host(to), host(from), bytes); }

  Maybe<Gpa> translate(VcpuRef, Gva gva, Access) override { return Gpa{gva.v}; }
  bool holds(Maddr at, uint64_t bytes) override {
    const uint64_t end = next_page_ << kPageShift;
    return at.v <= end && bytes <= end - at.v;
  }
  Mfn allocate_page(DomId) override {
    XS_CHECK((next_page_ + 1) * kPageSize <= memory_.size() * 8);
    std::memset(host(Maddr{next_page_ << kPageShift}), 0, kPageSize);
    return Mfn{next_page_++};
  }
  // Gives back every page from allocate_page.
  void free_pages(uint64_t ram_bytes) { next_page_ = ram_bytes >> kPageShift; }
  void set_mapping(DomId, Gfn, Maybe<Mfn>, bool) override {}

  VirtualNs now() override { return time; }
  xen::ClockSample clock(DomId) override { return {time.v, time, 0x80000000, 1}; }
  std::pair<uint64_t, uint32_t> wallclock_base() override { return {1'700'000'000, 5}; }
  void arm_timer(xen::TimerId, VirtualNs) override {}
  void cancel_timer(xen::TimerId) override {}
  void kick(VcpuRef) override {}
  void set_runnable(VcpuRef, bool) override {}
  void yield(VcpuRef) override {}
  void start_vcpu(VcpuRef, const xen::VcpuStart&) override {}
  void assert_lapic_vector(VcpuRef, uint8_t) override {}
  bool lapic_enabled(VcpuRef) override { return true; }
  void outside_event(DomId, Port) override {}
  void set_gsi(DomId, uint32_t, bool) override {}
  void shutdown(DomId, xen::ShutdownReason) override {}
  void console_write(DomId, xen::ConsoleChannel, std::span<const std::byte>) override {}
  // One actor alone never waits, and needs no atomicity between its own steps. The word: kWriter, or how many readers.
  void lock(xen::LockState& lock) override {
    XS_CHECK(lock.word.load(std::memory_order_relaxed) == 0);
    lock.word.store(kWriter, std::memory_order_relaxed);
  }
  void unlock(xen::LockState& lock) override { lock.word.store(0, std::memory_order_relaxed); }
  void lock_shared(xen::LockState& lock) override {
    const uint32_t readers = lock.word.load(std::memory_order_relaxed);
    XS_CHECK(readers < kWriter);
    lock.word.store(readers + 1, std::memory_order_relaxed);
  }
  void unlock_shared(xen::LockState& lock) override {
    lock.word.store(lock.word.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  }
  void shared_access(xen::Site, DomId, uint32_t, xen::SharedOp) override {}

  VirtualNs time{1'000'000};

 private:
  static constexpr uint32_t kWriter = 1u << 31;

  template <class T>
  T* word(Maddr at) {
    return reinterpret_cast<T*>(host(at));
  }
  template <class T>
  uint64_t rmw_as(Maddr at, xen::Rmw op, uint64_t operand, uint64_t expected) {
    T* target = word<T>(at);
    const T value = static_cast<T>(operand);
    switch (op) {
      case xen::Rmw::kOr: return __atomic_fetch_or(target, value, __ATOMIC_SEQ_CST);
      case xen::Rmw::kAnd: return __atomic_fetch_and(target, value, __ATOMIC_SEQ_CST);
      case xen::Rmw::kXor: return __atomic_fetch_xor(target, value, __ATOMIC_SEQ_CST);
      case xen::Rmw::kAdd: return __atomic_fetch_add(target, value, __ATOMIC_SEQ_CST);
      case xen::Rmw::kExchange: return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
      case xen::Rmw::kCompareExchange: {
        T old = static_cast<T>(expected);
        __atomic_compare_exchange_n(target, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return old;
      }
    }
    return 0;
  }

  std::vector<uint64_t> memory_;
  uint64_t next_page_;
};

}  // namespace xensim
