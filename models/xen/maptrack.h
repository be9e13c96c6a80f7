// A domain's maptrack table: a handle for each grant that it has mapped.
//
// Free handles are in a list of each vCPU, as in Xen: taken at the head, given back at the tail of the list of the
// vCPU they belong to, and the last one of a list is never taken. Locks: `lock_` guards the growth of the table, a
// list's own lock its two ends. An entry in use is guarded by the active entry (grant_table.h) that it refers to; a new
// one needs no lock as long as its flags are written last.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/base/types.h"
#include "models/xen/hypervisor.h"
#include "models/xen/locks.h"
#include "models/xen/state/fields_of.h"

namespace xensim::xen {

inline constexpr uint32_t kMaptrackPerFrame = 256;  // Xen's struct grant_mapping is 16 bytes
inline constexpr uint32_t kInvalidHandle = ~0u;
inline constexpr uint32_t kMappedOutside = 1u << 16;  // beside the GNTMAP_* of a mapping: a backend outside has it

// A mapping that the domain made. flags 0: the handle is free, and `ref` is the next free one.
struct MaptrackEntry {
  std::atomic<uint32_t> flags{0};  // GNTMAP_*, kMappedOutside
  std::atomic<uint32_t> ref{0};
  std::atomic<uint16_t> domid{0};
  uint32_t vcpu = 0;  // whose free list it belongs to; the handle's holder may change it
};

class Maptrack {
 public:
  Maptrack(DomId dom, uint32_t vcpus, uint32_t max_frames);
  Maptrack(const Maptrack&) = delete;
  Maptrack& operator=(const Maptrack&) = delete;

  // A free handle for a mapping by `vcpu`, or kInvalidHandle.
  uint32_t take(Entry& entry, uint32_t vcpu);
  void put(Entry& entry, uint32_t handle);
  // nullptr: the handle was never given out. No lock.
  MaptrackEntry* find(uint32_t handle);
  // How many handles exist, free or not.
  uint32_t limit() const { return limit_.load(); }

  // A line for each handle that is free twice, lost, or free and in use, while nobody is inside.
  void check_invariants(std::vector<std::string>& broken) const XS_NO_THREAD_SAFETY_ANALYSIS;

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  using Frame = std::array<MaptrackEntry, kMaptrackPerFrame>;

  struct FreeList {
    FreeList(DomId dom, uint32_t vcpu) : lock(LockRank::kMaptrackFree, Site::kMaptrackFreeLock, dom, vcpu) {}
    Lock lock;
    uint32_t head XS_GUARDED_BY(lock) = kInvalidHandle;  // kInvalidHandle: nothing was ever here
    uint32_t tail XS_GUARDED_BY(lock) = kInvalidHandle;
  };

  MaptrackEntry& at(uint32_t handle) const;
  // Publishes one more frame of handles, all free and of `vcpu`; gives the first.
  uint32_t append_frame(uint32_t vcpu) XS_REQUIRES(lock_);
  uint32_t pop(Entry& entry, uint32_t vcpu);
  uint32_t steal(Entry& entry, uint32_t vcpu);
  // The first handle of a new frame; nullopt: there are all that may be.
  std::optional<uint32_t> add_frame(Entry& entry, uint32_t vcpu);
  // A vCPU that never had a handle gets one to end its list with. false: there is none.
  bool have_tail(Entry& entry, uint32_t vcpu);

  const DomId dom_;
  const uint32_t max_frames_;
  Lock lock_;
  std::unique_ptr<std::atomic<Frame*>[]> frames_;  // max_frames_, made with the first; they appear one by one
  std::vector<std::unique_ptr<Frame>> owned_ XS_GUARDED_BY(lock_);
  std::atomic<uint32_t> limit_{0};
  std::vector<std::unique_ptr<FreeList>> lists_;  // one a vCPU
};

}  // namespace xensim::xen
