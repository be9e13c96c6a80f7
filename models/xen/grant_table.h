// A domain's grant table: what it granted (entries in guest memory, their pins in ours) and what it mapped
// (maptrack.h).
//
// Version 1 entries are 8 bytes, {flags, domid, frame}, and Xen's two flags are among the guest's. Version 2 entries
// are 16 bytes, {flags, domid, ...}, and Xen's flags have frames of their own, 2 bytes for each entry.
//
// Locks, as in Xen (docs/misc/grant-tables.txt): `lock` guards version and size, many readers at once; an active
// entry's own lock guards its pins and is taken with `lock` held.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/base/types.h"
#include "models/xen/api/core_api.h"
#include "models/xen/api/platform.h"
#include "models/xen/hypervisor.h"
#include "models/xen/locks.h"
#include "models/xen/maptrack.h"
#include "models/xen/state/fields_of.h"

namespace xensim::xen {

inline constexpr uint32_t kGrantsPerFrame = 512;    // 8-byte entries of version 1
inline constexpr uint32_t kGrantsPerFrameV2 = 256;  // 16-byte entries of version 2
inline constexpr uint32_t kStatusPerFrame = 2048;   // 2-byte status words of version 2
inline constexpr uint32_t kReservedGrants = 8;      // grant_table.h, GNTTAB_NR_RESERVED_ENTRIES

// Entries of domain 0's table where this machine has no domain 0 of its own: Xen's has one, and its entries are free.
inline constexpr uint32_t kToolstackGrants = 512;

// Pins of an active entry: four counters of 8 bits. Adding is refused once a counter has its top bit set.
inline constexpr uint32_t kPinHostWrite = 1u;
inline constexpr uint32_t kPinHostRead = 1u << 8;
inline constexpr uint32_t kPinDeviceWrite = 1u << 16;
inline constexpr uint32_t kPinDeviceRead = 1u << 24;
inline constexpr uint32_t kPinWriteMask = 0xffu | 0xffu << 16;
inline constexpr uint32_t kPinOverflowShift = 7;

// What the hypervisor knows of a grant in use. All but `pin` means something while it is pinned alone.
struct ActiveEntry {
  ActiveEntry(DomId dom, uint32_t ref) : lock(LockRank::kActiveEntry, Site::kActiveEntryLock, dom, ref) {}

  Lock lock;
  uint32_t pin XS_GUARDED_BY(lock) = 0;
  DomId domid XS_GUARDED_BY(lock);  // granted to
  Mfn frame XS_GUARDED_BY(lock);
  // The part of the page that may be used; a transitive grant counts as one of a part, whatever it leads to.
  bool is_sub_page XS_GUARDED_BY(lock) = false;
  uint16_t start XS_GUARDED_BY(lock) = 0;
  uint16_t length XS_GUARDED_BY(lock) = 0;
  // Whose grant this one leads to, and which; the granter's own unless it is transitive.
  Domain* trans_domain XS_GUARDED_BY(lock) = nullptr;
  uint32_t trans_ref XS_GUARDED_BY(lock) = 0;
};

class GrantTable {
 public:
  GrantTable(Platform& platform, const DomainConfig& config);
  ~GrantTable();
  GrantTable(const GrantTable&) = delete;
  GrantTable& operator=(const GrantTable&) = delete;

  Lock lock;
  Maptrack maptrack;
  // Copies through transitive or sub-page grants that are under way: the version cannot go back to 1 meanwhile.
  std::atomic<uint32_t> v2_operations{0};

  DomId dom() const { return dom_; }
  uint32_t version() const XS_REQUIRES_SHARED(lock) { return version_; }
  uint32_t frames() const XS_REQUIRES_SHARED(lock) { return static_cast<uint32_t>(frames_.size()); }
  uint32_t max_frames() const { return max_frames_; }
  uint32_t status_frames() const XS_REQUIRES_SHARED(lock) { return static_cast<uint32_t>(status_frames_.size()); }
  uint32_t entries() const XS_REQUIRES_SHARED(lock) {
    return frames() * (version_ == 1 ? kGrantsPerFrame : kGrantsPerFrameV2);
  }

  // Are there as many status frames as the version and the frames take? While nobody is inside.
  bool status_frames_fit() const XS_NO_THREAD_SAFETY_ANALYSIS;
  // Makes the table at least `wanted` frames long, and its status frames as many as that takes. false: that is more
  // than it may have.
  bool grow(uint32_t wanted) XS_REQUIRES(lock);
  Mfn frame(uint32_t index) const XS_REQUIRES_SHARED(lock) { return frames_[index]; }
  Mfn status_frame(uint32_t index) const XS_REQUIRES_SHARED(lock) { return status_frames_[index]; }
  // Every shared frame is zeroed and the other version begins; its status frames come or go. What the first entries
  // and the domain's map need before and after is grant_version.cc's.
  void change_version(uint32_t version) XS_REQUIRES(lock);

  // Machine address of an entry, which begins with {flags, domid} in both versions.
  Maddr entry_address(uint32_t ref) const XS_REQUIRES_SHARED(lock);
  // Of the 16 bits that have GTF_reading and GTF_writing.
  Maddr status_address(uint32_t ref) const XS_REQUIRES_SHARED(lock);
  // Stays valid for ever: tables never shrink.
  ActiveEntry& active(uint32_t ref) XS_REQUIRES_SHARED(lock);

  // Sets GTF_reading (and GTF_writing) for an entry, if it permits access to `grantee` or is pinned; a map takes no
  // sub-page and no transitive grant. In version 1 a compare-exchange of {flags, domid}, tried at most 5 times.
  // GNTST_okay or GNTST_general_error.
  int16_t pin_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping, DomId grantee)
      XS_REQUIRES_SHARED(lock) XS_REQUIRES(active.lock);
  // Clears what the remaining pins no longer need.
  void reduce_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly) XS_REQUIRES_SHARED(lock)
      XS_REQUIRES(active.lock);
  // The frame field of a grant of a page, or of a part of one, read now.
  Gfn read_frame(Entry& entry, uint32_t ref) XS_REQUIRES_SHARED(lock);

  // A line for each broken invariant of the pins and handles, while nobody is inside.
  void check_invariants(std::vector<std::string>& broken) const XS_NO_THREAD_SAFETY_ANALYSIS;
  // How often entry `ref` is pinned, all kinds together, while nobody is inside.
  uint32_t pins_of(uint32_t ref) const XS_NO_THREAD_SAFETY_ANALYSIS;
  // Calls `visit(ref, active)` for each entry that is pinned, while nobody is inside.
  template <class Visit>
  void for_each_pinned(Visit visit) const XS_NO_THREAD_SAFETY_ANALYSIS {
    for (uint32_t slot = 0; slot < used_slots(); ++slot) {
      const ActiveChunk* chunk = active_[slot].load(std::memory_order_acquire);
      if (chunk == nullptr) continue;
      const uint32_t first = slot * kActivePerChunk;
      for (uint32_t i = 0; i < kActivePerChunk; ++i) {
        if (chunk->entries[i].pin != 0) visit(first + i, chunk->entries[i]);
      }
    }
  }

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  int16_t pin_status_v1(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping,
                        DomId grantee) XS_REQUIRES_SHARED(lock) XS_REQUIRES(active.lock);
  int16_t pin_status_v2(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping,
                        DomId grantee) XS_REQUIRES_SHARED(lock) XS_REQUIRES(active.lock);
  void add_status_frames() XS_REQUIRES(lock);
  void zero(Mfn frame);

  Platform& platform_;
  const DomId dom_;
  const uint32_t max_frames_;
  uint32_t version_ XS_GUARDED_BY(lock) = 1;
  std::vector<Mfn> frames_ XS_GUARDED_BY(lock);
  std::vector<Mfn> status_frames_ XS_GUARDED_BY(lock);
  std::vector<Mfn> spare_frames_ XS_GUARDED_BY(lock);  // status frames of a version 2 that has ended

  // Active entries come into being when they are first asked for, a chunk at a time, and stay. No lock: who asks
  // publishes a chunk with a compare-exchange, and drops its own where another was first. There is room for all that
  // version 1 can have, and no chunk of a frame that there is not.
  static constexpr uint32_t kActivePerChunk = 64;
  static constexpr uint32_t kChunksPerFrame = kGrantsPerFrame / kActivePerChunk;
  struct ActiveChunk {
    template <std::size_t... I>
    ActiveChunk(DomId dom, uint32_t first, std::index_sequence<I...>)
        : entries{{ActiveEntry(dom, first + static_cast<uint32_t>(I))...}} {}
    std::array<ActiveEntry, kActivePerChunk> entries;
  };
  // The first slots, behind which there is no chunk; a table that is being restored may be about to be refused.
  size_t used_slots() const XS_REQUIRES_SHARED(lock) {
    return std::min(frames_.size() * kChunksPerFrame, active_.size());
  }
  ActiveChunk& make_chunk(uint32_t slot) XS_REQUIRES_SHARED(lock);
  std::vector<std::atomic<ActiveChunk*>> active_;  // owned
};

}  // namespace xensim::xen
