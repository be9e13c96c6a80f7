// Shared<T>: a field of the core that is touched without a lock. Each access is a named scheduling point, then one
// sequentially consistent atomic operation: real races are between two of these.
#pragma once

#include <atomic>
#include <cstdint>

#include "models/xen/api/platform.h"

namespace xensim::xen {

// Borrows the Platform, which must outlive it. `dom` and `index` (port, vCPU, word) say which field it is.
template <class T>
class Shared {
 public:
  Shared(Platform& platform, Site site, DomId dom, uint32_t index = 0, T initial = T{})
      : platform_(&platform), value_(initial), index_(index), dom_(dom), site_(site) {}

  T load() {
    platform_->shared_access(site_, dom_, index_, SharedOp::kLoad);
    return value_.load();
  }
  void store(T value) {
    platform_->shared_access(site_, dom_, index_, SharedOp::kStore);
    value_.store(value);
  }
  T exchange(T value) {
    platform_->shared_access(site_, dom_, index_, SharedOp::kRmw);
    return value_.exchange(value);
  }
  // exchange(0), without the cost of the write where there is nothing to clear. The caller's last step was a
  // read-modify-write, so that the load is not earlier than that.
  T take() {
    platform_->shared_access(site_, dom_, index_, SharedOp::kRmw);
    return value_.load() == T{} ? T{} : value_.exchange(T{});
  }
  T fetch_or(T bits) {
    platform_->shared_access(site_, dom_, index_, SharedOp::kRmw);
    return value_.fetch_or(bits);
  }
  T fetch_and(T bits) {
    platform_->shared_access(site_, dom_, index_, SharedOp::kRmw);
    return value_.fetch_and(bits);
  }
  T fetch_add(T amount) {
    platform_->shared_access(site_, dom_, index_, SharedOp::kRmw);
    return value_.fetch_add(amount);
  }
  // The value without a scheduling point: for checks, reports and save, while nobody runs.
  T peek() const { return value_.load(std::memory_order_relaxed); }
  void poke(T value) { value_.store(value, std::memory_order_relaxed); }

 private:
  Platform* platform_;
  std::atomic<T> value_;
  uint32_t index_;
  DomId dom_;
  Site site_;
};

// The same for a field that there are thousands of: it does not know who it is, so each access says it.
template <class T>
class SlimShared {
 public:
  explicit SlimShared(T initial = T{}) : value_(initial) {}

  T load(Platform& platform, Site site, DomId dom, uint32_t index) {
    platform.shared_access(site, dom, index, SharedOp::kLoad);
    return value_.load();
  }
  void store(Platform& platform, Site site, DomId dom, uint32_t index, T value) {
    platform.shared_access(site, dom, index, SharedOp::kStore);
    value_.store(value);
  }
  // As in Shared.
  T peek() const { return value_.load(std::memory_order_relaxed); }
  void poke(T value) { value_.store(value, std::memory_order_relaxed); }

 private:
  std::atomic<T> value_;
};

}  // namespace xensim::xen
