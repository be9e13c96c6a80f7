#include "models/xen/maptrack.h"

#include <fmt/format.h>

#include <utility>

namespace xensim::xen {

Maptrack::Maptrack(DomId dom, uint32_t vcpus, uint32_t max_frames)
    : dom_(dom), max_frames_(max_frames), lock_(LockRank::kMaptrack, Site::kMaptrackLock, dom) {
  for (uint32_t vcpu = 0; vcpu < vcpus; ++vcpu) lists_.push_back(std::make_unique<FreeList>(dom, vcpu));
}

MaptrackEntry& Maptrack::at(uint32_t handle) const {
  return (*frames_[handle / kMaptrackPerFrame].load())[handle % kMaptrackPerFrame];
}

MaptrackEntry* Maptrack::find(uint32_t handle) { return handle < limit_.load() ? &at(handle) : nullptr; }

uint32_t Maptrack::pop(Entry& entry, uint32_t vcpu) {
  FreeList& list = *lists_[vcpu];
  const LockGuard guard(entry, list.lock);
  if (list.head == kInvalidHandle) return kInvalidHandle;
  const uint32_t next = at(list.head).ref.load();
  if (next == kInvalidHandle) return kInvalidHandle;
  return std::exchange(list.head, next);
}

// Xen begins with a vCPU drawn by chance; here it is the next one.
uint32_t Maptrack::steal(Entry& entry, uint32_t vcpu) {
  const auto count = static_cast<uint32_t>(lists_.size());
  for (uint32_t step = 1; step <= count; ++step) {
    const uint32_t handle = pop(entry, (vcpu + step) % count);
    if (handle == kInvalidHandle) continue;
    at(handle).vcpu = vcpu;
    return handle;
  }
  return kInvalidHandle;
}

uint32_t Maptrack::append_frame(uint32_t vcpu) {
  // Both are seen by whoever finds a handle to be below the limit, which is raised last.
  if (frames_ == nullptr) frames_ = std::make_unique<std::atomic<Frame*>[]>(max_frames_);
  Frame* const frame = owned_.emplace_back(std::make_unique<Frame>()).get();
  const uint32_t first = limit_.load();
  for (uint32_t i = 0; i < kMaptrackPerFrame; ++i) {
    (*frame)[i].ref.store(first + i + 1);
    (*frame)[i].vcpu = vcpu;
  }
  frames_[first / kMaptrackPerFrame].store(frame);
  limit_.store(first + kMaptrackPerFrame);
  return first;
}

std::optional<uint32_t> Maptrack::add_frame(Entry& entry, uint32_t vcpu) {
  uint32_t first = 0;
  {
    const LockGuard guard(entry, lock_);
    if (owned_.size() >= max_frames_) return std::nullopt;
    first = append_frame(vcpu);
  }
  // The first is taken now; the others go to the head of the list.
  FreeList& list = *lists_[vcpu];
  const LockGuard guard(entry, list.lock);
  if (list.tail == kInvalidHandle) list.tail = first + kMaptrackPerFrame - 1;
  at(first + kMaptrackPerFrame - 1).ref.store(list.head);
  list.head = first + 1;
  return first;
}

bool Maptrack::have_tail(Entry& entry, uint32_t vcpu) {
  FreeList& list = *lists_[vcpu];
  {
    const LockGuard guard(entry, list.lock);
    if (list.tail != kInvalidHandle) return true;
  }
  const uint32_t handle = steal(entry, vcpu);
  if (handle == kInvalidHandle) return false;
  const LockGuard guard(entry, list.lock);
  at(handle).ref.store(kInvalidHandle);
  list.tail = handle;
  if (list.head == kInvalidHandle) list.head = handle;
  return true;
}

uint32_t Maptrack::take(Entry& entry, uint32_t vcpu) {
  if (const uint32_t handle = pop(entry, vcpu); handle != kInvalidHandle) return handle;
  if (const std::optional<uint32_t> handle = add_frame(entry, vcpu)) return *handle;
  return have_tail(entry, vcpu) ? steal(entry, vcpu) : kInvalidHandle;
}

void Maptrack::put(Entry& entry, uint32_t handle) {
  MaptrackEntry& mapping = at(handle);
  // Links are read and written under the list's lock, and published by it.
  mapping.ref.store(kInvalidHandle, std::memory_order_relaxed);
  FreeList& list = *lists_[mapping.vcpu];
  const LockGuard guard(entry, list.lock);
  at(std::exchange(list.tail, handle)).ref.store(handle, std::memory_order_relaxed);
}

void Maptrack::check_invariants(std::vector<std::string>& broken) const {
  std::vector<bool> is_free(limit());
  for (const std::unique_ptr<FreeList>& list : lists_) {
    for (uint32_t handle = list->head; handle != kInvalidHandle; handle = at(handle).ref.load()) {
      if (handle >= limit() || is_free[handle]) {
        broken.push_back(fmt::format("d{}: maptrack handle {} is free twice", dom_.v, handle));
        break;
      }
      is_free[handle] = true;
      if (at(handle).flags.load() != 0) broken.push_back(fmt::format("d{}: free handle {} has flags", dom_.v, handle));
    }
  }
  for (uint32_t handle = 0; handle < limit(); ++handle) {
    if (!is_free[handle] && at(handle).flags.load() == 0) {
      broken.push_back(fmt::format("d{}: maptrack handle {} is lost", dom_.v, handle));
    }
  }
}

}  // namespace xensim::xen
