// ThreadedPlatform: a Platform for real threads. Each vCPU is a thread that calls the core; locks are spinning
// read-write locks, guest memory is host memory with atomic accesses, timers wait for a thread to expire them.
//
// For the stress suite, which runs it under ThreadSanitizer, and for the benchmarks of scaling. Every method may be
// called from any thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "models/xen/api/core_api.h"
#include "models/xen/testing/plain_platform.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define XS_UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define XS_UNDER_TSAN 1
#endif

namespace xensim {

class ThreadedPlatform : public PlainPlatform {
 public:
  static constexpr uint32_t kMaxDomain = 8;  // domain ids below it
  static constexpr uint32_t kMaxVcpu = 16;

  // `ram_bytes` of machine memory, of which each domain is given `domain_ram`: guest addresses below that are mapped
  // one to one onto guest-physical ones.
  ThreadedPlatform(uint64_t ram_bytes, uint64_t domain_ram, uint64_t extra_pages = 2048)
      : PlainPlatform(ram_bytes, extra_pages), domain_ram_(domain_ram), started_(Clock::now()) {}

  // From now on, threads give way at random steps of the core, so that they interleave there also where there are few
  // processors.
  void interleave() { interleave_ = true; }

  // The machine gives the vCPU nothing to do until it can run: false after `seconds` of waiting.
  bool wait_runnable(VcpuRef vcpu, int seconds = 60);
  bool may_run(VcpuRef vcpu);
  // How often any vCPU was let run.
  uint64_t wakes() const { return wakes_.load(); }
  // Has the vCPU been kicked since it was asked last?
  bool take_kick(VcpuRef vcpu) { return slot(vcpu).kicked.exchange(false); }
  bool has_ended(DomId dom) const { return ended_[dom.v].load(); }
  // Calls timer_expired for every timer that is due, on the calling thread; gives how many.
  unsigned expire_due(xen::CoreApi& core);
  // Is no timer armed, and none expiring?
  bool no_timer_left();
  // Lets all waiting vCPUs go, so that a test can end.
  void release_all();

  void read(xen::Site site, Maddr from, std::span<std::byte> to) override;
  void write(xen::Site site, Maddr to, std::span<const std::byte> from) override;
  void copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) override;
  Maybe<Gpa> translate(VcpuRef vcpu, Gva gva, Access access) override;
  Mfn allocate_page(DomId owner) override;
  VirtualNs now() override;
  xen::ClockSample clock(DomId dom) override;
  void arm_timer(xen::TimerId id, VirtualNs deadline) override;
  void cancel_timer(xen::TimerId id) override;
  void kick(VcpuRef vcpu) override;
  void set_runnable(VcpuRef vcpu, bool runnable) override;
  void shutdown(DomId dom, xen::ShutdownReason reason) override;
  void shared_access(xen::Site site, DomId dom, uint32_t index, xen::SharedOp op) override;
  void lock(xen::LockState& lock) override;
  void unlock(xen::LockState& lock) override;
  void lock_shared(xen::LockState& lock) override;
  void unlock_shared(xen::LockState& lock) override;

 private:
  using Clock = std::chrono::steady_clock;
  // A lock's word: a writer, a writer that waits (readers stay out), and how many readers.
  static constexpr uint32_t kWriter = 1u << 31;
  static constexpr uint32_t kWaiting = 1u << 30;

  struct Slot {
    std::mutex mutex;
    std::condition_variable changed;
    bool runnable = false;
    std::atomic<bool> kicked{false};
  };
  Slot& slot(VcpuRef vcpu) { return slots_[vcpu.dom.v][vcpu.vcpu.v]; }

  void maybe_give_way();

  const uint64_t domain_ram_;
  bool interleave_ = false;
  const Clock::time_point started_;
  std::array<std::array<Slot, kMaxVcpu>, kMaxDomain> slots_;
  std::array<std::atomic<bool>, kMaxDomain> ended_{};
  std::atomic<bool> released_{false};
  std::atomic<uint64_t> wakes_{0};
  std::mutex pages_mutex_;
  std::mutex timers_mutex_;
  std::map<xen::TimerId, VirtualNs> timers_;
  unsigned expiring_ = 0;  // taken out of timers_, and not yet told; guarded by timers_mutex_
};

}  // namespace xensim
