// A domain's grant table, version 1: what it granted (entries in guest memory, their pins in ours) and what it mapped
// (maptrack).
//
// Locks, as in Xen (docs/misc/grant-tables.txt): `lock` guards version and size, many readers at once; an active
// entry's own lock guards its pins and is taken with `lock` held; `maptrack_lock` guards the free lists of handles. A
// maptrack entry is guarded by the active entry it refers to; a new one needs none as long as its flags are written
// last.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "models/base/types.h"
#include "models/xen/core_api.h"
#include "models/xen/hypervisor.h"
#include "models/xen/locks.h"
#include "models/xen/platform.h"

namespace xensim::xen {

inline constexpr uint32_t kGrantsPerFrame = 512;    // 8-byte entries of version 1
inline constexpr uint32_t kMaptrackPerFrame = 256;  // Xen's struct grant_mapping is 16 bytes
inline constexpr uint32_t kReservedGrants = 8;      // grant_table.h, GNTTAB_NR_RESERVED_ENTRIES
inline constexpr uint32_t kInvalidHandle = ~0u;

// Pins of an active entry: four counters of 8 bits. Adding is refused once a counter has its top bit set.
inline constexpr uint32_t kPinHostWrite = 1u;
inline constexpr uint32_t kPinHostRead = 1u << 8;
inline constexpr uint32_t kPinHostWriteMask = 0xffu;
inline constexpr uint32_t kPinOverflowShift = 7;

// What the hypervisor knows of a grant in use.
struct ActiveEntry {
  ActiveEntry(DomId dom, uint32_t ref) : lock(LockRank::kActiveEntry, Site::kActiveEntryLock, dom, ref) {}

  Lock lock;
  uint32_t pin XS_GUARDED_BY(lock) = 0;
  DomId domid XS_GUARDED_BY(lock);  // granted to; while pinned
  Mfn frame XS_GUARDED_BY(lock);    // while pinned
};

// A mapping that the domain made. flags 0: the handle is free.
struct MaptrackEntry {
  std::atomic<uint32_t> flags{0};  // GNTMAP_*
  std::atomic<uint32_t> ref{0};
  std::atomic<uint16_t> domid{0};
  uint32_t vcpu = 0;  // on whose free list it belongs; guarded by maptrack_lock
};

class GrantTable {
 public:
  GrantTable(Platform& platform, const DomainConfig& config);
  ~GrantTable();
  GrantTable(const GrantTable&) = delete;
  GrantTable& operator=(const GrantTable&) = delete;

  Lock lock;
  Lock maptrack_lock;

  DomId dom() const { return dom_; }
  uint32_t frames() const XS_REQUIRES_SHARED(lock) { return static_cast<uint32_t>(frames_.size()); }
  uint32_t max_frames() const { return max_frames_; }
  uint32_t entries() const XS_REQUIRES_SHARED(lock) { return frames() * kGrantsPerFrame; }

  // Makes the table at least `wanted` frames long. false: that is more than it may have.
  bool grow(uint32_t wanted) XS_REQUIRES(lock);
  Mfn frame(uint32_t index) const XS_REQUIRES_SHARED(lock) { return frames_[index]; }
  // Machine address of the v1 entry {flags, domid, frame}.
  Maddr entry_address(uint32_t ref) const XS_REQUIRES_SHARED(lock);
  // Stays valid for ever: tables never shrink.
  ActiveEntry& active(uint32_t ref) XS_REQUIRES_SHARED(lock);

  // Sets GTF_reading (and GTF_writing) in the shared entry, a compare-exchange of {flags, domid}, tried at most 5
  // times. Where the entry is not pinned it must permit access to `grantee`. GNTST_okay or GNTST_general_error.
  int16_t pin_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping, DomId grantee)
      XS_REQUIRES_SHARED(lock) XS_REQUIRES(active.lock);
  // Clears what the remaining pins no longer need.
  void reduce_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly) XS_REQUIRES_SHARED(lock)
      XS_REQUIRES(active.lock);
  // The frame field of the entry, read now.
  Gfn read_frame(Entry& entry, uint32_t ref) XS_REQUIRES_SHARED(lock);

  // A free handle for a mapping by `vcpu`, or kInvalidHandle. Takes maptrack_lock.
  uint32_t take_handle(Entry& entry, uint32_t vcpu);
  void put_handle(Entry& entry, uint32_t handle);
  // nullptr: the handle was never given out. No lock.
  MaptrackEntry* maptrack(uint32_t handle);
  // How many handles exist, free or not.
  uint32_t maptrack_limit() const { return maptrack_limit_.load(); }

  // A line for each broken invariant of the pins and handles, while nobody is inside.
  void check_invariants(std::vector<std::string>& broken) const XS_NO_THREAD_SAFETY_ANALYSIS;

 private:
  std::optional<uint32_t> pop_handle(uint32_t vcpu) XS_REQUIRES(maptrack_lock);
  uint32_t steal_handle(uint32_t vcpu) XS_REQUIRES(maptrack_lock);
  uint32_t add_maptrack_frame(uint32_t vcpu) XS_REQUIRES(maptrack_lock);

  using MaptrackFrame = std::array<MaptrackEntry, kMaptrackPerFrame>;

  Platform& platform_;
  const DomId dom_;
  const uint32_t max_frames_;
  const uint32_t max_maptrack_frames_;
  std::vector<Mfn> frames_ XS_GUARDED_BY(lock);

  // Active entries come into being when they are first asked for, a chunk at a time; the mutex guards that alone.
  static constexpr uint32_t kActivePerChunk = 64;
  using ActiveChunk = std::deque<ActiveEntry>;
  std::vector<std::atomic<ActiveChunk*>> active_;
  std::mutex active_mutex_;
  std::vector<std::unique_ptr<ActiveChunk>> active_owned_;

  std::vector<std::atomic<MaptrackFrame*>> maptrack_;  // sized at creation; frames appear one by one
  std::vector<std::unique_ptr<MaptrackFrame>> maptrack_owned_ XS_GUARDED_BY(maptrack_lock);
  std::atomic<uint32_t> maptrack_limit_{0};
  // Free handles of each vCPU, oldest first. The last one of a list stays (the list's sentinel in Xen).
  std::vector<std::deque<uint32_t>> free_handles_ XS_GUARDED_BY(maptrack_lock);
};

// Drops the pins of everything that an ended domain has mapped; what its own map shows stays, for nobody looks there
// any more.
void release_grant_mappings(Entry& entry, Domain& domain);

}  // namespace xensim::xen
