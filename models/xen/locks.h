// The core's locks: their classes in the order in which they may nest, guards, and the check of that order at each
// acquire.
//
// Every entry into the core (Entry, hypervisor.h) carries a HeldLocks on its own stack: what this actor holds now. A
// guard checks there that the order is kept, so a wrong order is found the first time it is run and not only when two
// actors meet.
#pragma once

#include <array>
#include <cstdint>

#include "models/base/check.h"
#include "models/xen/api/platform.h"

#if defined(__clang__)
#define XS_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define XS_THREAD_ATTRIBUTE(x)
#endif
#define XS_CAPABILITY XS_THREAD_ATTRIBUTE(capability("lock"))
#define XS_SCOPED_CAPABILITY XS_THREAD_ATTRIBUTE(scoped_lockable)
#define XS_GUARDED_BY(lock) XS_THREAD_ATTRIBUTE(guarded_by(lock))
#define XS_REQUIRES(...) XS_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define XS_REQUIRES_SHARED(...) XS_THREAD_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))
#define XS_ACQUIRE(...) XS_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define XS_ACQUIRE_SHARED(...) XS_THREAD_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
#define XS_RELEASE(...) XS_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define XS_RELEASE_GENERIC(...) XS_THREAD_ATTRIBUTE(release_generic_capability(__VA_ARGS__))
#define XS_NO_THREAD_SAFETY_ANALYSIS XS_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace xensim::xen {

// Lock classes, outermost first: a lock may be taken while all that are held have a lower rank, or the same rank and a
// lower (domain, index). What each guards:
enum class LockRank : uint8_t {
  kHypervisor,    // list of domains
  kDomain,        // vCPU lifecycle, HVM parameters
  kEvent,         // port allocation, binding and closing of a domain's event channels
  kVirq,          // a vCPU's table of VIRQ ports against close
  kChannel,       // one channel's state
  kQueue,         // one queue of the FIFO ABI: which event is its last
  kGrantTable,    // version, size and layout of a grant table
  kMaptrack,      // a domain's maptrack table
  kMaptrackFree,  // a vCPU's list of free maptrack handles
  kActiveEntry,   // one grant entry's pins
  kVcpu,          // a vCPU's registered areas, periodic timer, runstate
  kCallback,      // the level of a domain's GSI or INTx callback
  kP2m,           // a domain's physical-to-machine map
};

// A mutual exclusion that the Platform implements; not movable once others may know it.
class XS_CAPABILITY Lock {
 public:
  Lock(LockRank rank, Site site, DomId dom, uint32_t index = 0) : state_{site, dom, index}, rank_(rank) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  LockState& state() { return state_; }
  LockRank rank() const { return rank_; }
  // Rank first, then domain, then index: what must grow from each lock to the next one taken.
  uint64_t order() const {
    return static_cast<uint64_t>(rank_) << 48 | static_cast<uint64_t>(state_.dom.v) << 32 | state_.index;
  }

 private:
  LockState state_;
  LockRank rank_;
};

// The locks that one entry into the core holds, in the order taken. Lives on the entering actor's stack.
class HeldLocks {
 public:
  void check_and_push(const Lock& lock) {
    XS_CHECK_MSG(count_ == 0 || orders_[count_ - 1] < lock.order(), "lock order broken");
    XS_CHECK(count_ < orders_.size());
    orders_[count_++] = lock.order();
  }
  // Locks may be given back in any order; mostly the last one taken is the first.
  void remove(const Lock& lock) {
    if (count_ > 0 && orders_[count_ - 1] == lock.order()) {
      --count_;
    } else {
      remove_inner(lock.order());
    }
  }
  bool empty() const { return count_ == 0; }

 private:
  void remove_inner(uint64_t order);

  std::array<uint64_t, 8> orders_;
  unsigned count_ = 0;
};

// What a guard needs of the entry it is made in; Entry (hypervisor.h) is one.
struct LockContext {
  explicit LockContext(Platform& p) : platform_ref(p) {}
  Platform& platform() { return platform_ref; }

  Platform& platform_ref;
  HeldLocks held;
};

// Holds `lock` alone, for its scope.
class XS_SCOPED_CAPABILITY LockGuard {
 public:
  LockGuard(LockContext& context, Lock& lock) XS_ACQUIRE(lock) : context_(context), lock_(lock) {
    context_.held.check_and_push(lock_);
    context_.platform().lock(lock_.state());
  }
  ~LockGuard() noexcept(false) XS_RELEASE() {
    context_.held.remove(lock_);
    context_.platform().unlock(lock_.state());
  }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  LockContext& context_;
  Lock& lock_;
};

// Holds `lock` together with other readers, for its scope.
class XS_SCOPED_CAPABILITY SharedLockGuard {
 public:
  SharedLockGuard(LockContext& context, Lock& lock) XS_ACQUIRE_SHARED(lock) : context_(context), lock_(lock) {
    context_.held.check_and_push(lock_);
    context_.platform().lock_shared(lock_.state());
  }
  ~SharedLockGuard() noexcept(false) XS_RELEASE_GENERIC() {
    context_.held.remove(lock_);
    context_.platform().unlock_shared(lock_.state());
  }
  SharedLockGuard(const SharedLockGuard&) = delete;
  SharedLockGuard& operator=(const SharedLockGuard&) = delete;

 private:
  LockContext& context_;
  Lock& lock_;
};

}  // namespace xensim::xen
