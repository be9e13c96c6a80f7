#include "models/xen/testing/threaded_platform.h"

#include <thread>

#include "models/base/prng.h"

namespace xensim {
namespace {

// Guests race on their own memory as they like: bulk copies of it are no data race of ours, so the sanitizer does not
// look.
#ifdef XS_UNDER_TSAN
__attribute__((no_sanitize("thread"), noinline)) void copy_guest_bytes(std::byte* to, const std::byte* from,
                                                                       size_t bytes) {
  auto* out = reinterpret_cast<volatile unsigned char*>(to);
  const auto* in = reinterpret_cast<const volatile unsigned char*>(from);
  for (size_t i = 0; i < bytes; ++i) out[i] = in[i];
}
#else
void copy_guest_bytes(std::byte* to, const std::byte* from, size_t bytes) { std::memmove(to, from, bytes); }
#endif

// Waits a little, longer with each `turn`.
void relax(unsigned turn) {
  if (turn < 64) {
    __builtin_ia32_pause();
  } else {
    std::this_thread::yield();
  }
}

}  // namespace

bool ThreadedPlatform::wait_runnable(VcpuRef vcpu, int seconds) {
  Slot& self = slot(vcpu);
  std::unique_lock guard(self.mutex);
  return self.changed.wait_for(guard, std::chrono::seconds(seconds),
                               [&] { return self.runnable || released_.load() || ended_[vcpu.dom.v].load(); });
}

bool ThreadedPlatform::may_run(VcpuRef vcpu) {
  Slot& self = slot(vcpu);
  const std::lock_guard guard(self.mutex);
  return self.runnable;
}

void ThreadedPlatform::release_all() {
  released_.store(true);
  for (auto& domain : slots_) {
    for (Slot& each : domain) {
      const std::lock_guard guard(each.mutex);
      each.changed.notify_all();
    }
  }
}

void ThreadedPlatform::read(xen::Site, Maddr from, std::span<std::byte> to) {
  copy_guest_bytes(to.data(), host(from), to.size());
}
void ThreadedPlatform::write(xen::Site, Maddr to, std::span<const std::byte> from) {
  copy_guest_bytes(host(to), from.data(), from.size());
}
void ThreadedPlatform::copy(xen::Site, Maddr to, Maddr from, uint32_t bytes) {
  copy_guest_bytes(host(to), host(from), bytes);
}

Maybe<Gpa> ThreadedPlatform::translate(VcpuRef, Gva gva, Access) {
  return gva.v < domain_ram_ ? Maybe(Gpa{gva.v}) : std::nullopt;
}

Mfn ThreadedPlatform::allocate_page(DomId owner) {
  const std::lock_guard guard(pages_mutex_);
  return PlainPlatform::allocate_page(owner);
}

VirtualNs ThreadedPlatform::now() {
  return VirtualNs{static_cast<uint64_t>((Clock::now() - started_) / std::chrono::nanoseconds(1)) + 1};
}

xen::ClockSample ThreadedPlatform::clock(DomId) {
  const VirtualNs at = now();
  return {at.v, at, 0x80000000, 1};
}

void ThreadedPlatform::arm_timer(xen::TimerId id, VirtualNs deadline) {
  const std::lock_guard guard(timers_mutex_);
  timers_[id] = deadline;
}

void ThreadedPlatform::cancel_timer(xen::TimerId id) {
  const std::lock_guard guard(timers_mutex_);
  timers_.erase(id);
}

unsigned ThreadedPlatform::expire_due(xen::CoreApi& core) {
  std::vector<xen::TimerId> due;
  {
    const VirtualNs at = now();
    const std::lock_guard guard(timers_mutex_);
    for (auto each = timers_.begin(); each != timers_.end();) {
      if (each->second > at) {
        ++each;
        continue;
      }
      due.push_back(each->first);
      each = timers_.erase(each);
    }
    expiring_ += static_cast<unsigned>(due.size());
  }
  for (const xen::TimerId& id : due) core.timer_expired(id);
  const std::lock_guard guard(timers_mutex_);
  expiring_ -= static_cast<unsigned>(due.size());
  return static_cast<unsigned>(due.size());
}

bool ThreadedPlatform::no_timer_left() {
  const std::lock_guard guard(timers_mutex_);
  return timers_.empty() && expiring_ == 0;
}

void ThreadedPlatform::kick(VcpuRef vcpu) { slot(vcpu).kicked.store(true); }

void ThreadedPlatform::set_runnable(VcpuRef vcpu, bool runnable) {
  Slot& self = slot(vcpu);
  const std::lock_guard guard(self.mutex);
  self.runnable = runnable;
  if (!runnable) return;
  wakes_.fetch_add(1);
  self.changed.notify_all();
}

void ThreadedPlatform::shutdown(DomId dom, xen::ShutdownReason) {
  ended_[dom.v].store(true);
  for (Slot& each : slots_[dom.v]) {
    const std::lock_guard guard(each.mutex);
    each.changed.notify_all();
  }
}

// One step in 32, and not the same ones in each thread.
void ThreadedPlatform::maybe_give_way() {
  static std::atomic<uint64_t> seeds{1};
  thread_local Prng prng(seeds.fetch_add(1));
  if (prng.next() % 32 == 0) std::this_thread::yield();
}

void ThreadedPlatform::shared_access(xen::Site, DomId, uint32_t, xen::SharedOp) {
  if (interleave_) maybe_give_way();
}

void ThreadedPlatform::lock(xen::LockState& lock) {
  if (interleave_) maybe_give_way();
  for (unsigned turn = 0;; ++turn) {
    uint32_t word = lock.word.load(std::memory_order_relaxed);
    if ((word & ~kWaiting) == 0) {
      // Taking it forgets that a writer waits; one that still does says so again.
      if (lock.word.compare_exchange_weak(word, kWriter, std::memory_order_acquire)) return;
    } else if ((word & kWaiting) == 0) {
      lock.word.compare_exchange_weak(word, word | kWaiting, std::memory_order_relaxed);
    }
    relax(turn);
  }
}

void ThreadedPlatform::unlock(xen::LockState& lock) { lock.word.fetch_and(~kWriter, std::memory_order_release); }

void ThreadedPlatform::lock_shared(xen::LockState& lock) {
  if (interleave_) maybe_give_way();
  for (unsigned turn = 0;; ++turn) {
    uint32_t word = lock.word.load(std::memory_order_relaxed);
    if ((word & (kWriter | kWaiting)) == 0 &&
        lock.word.compare_exchange_weak(word, word + 1, std::memory_order_acquire)) {
      return;
    }
    relax(turn);
  }
}

void ThreadedPlatform::unlock_shared(xen::LockState& lock) { lock.word.fetch_sub(1, std::memory_order_release); }

}  // namespace xensim
