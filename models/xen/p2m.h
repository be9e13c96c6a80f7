// A domain's physical-to-machine map: which machine frame lies at each guest frame number, and as what.
//
// RAM lies as the domain was created with; everything else, and every change, is a sparse override
// (p2m_overrides.h). Lookups take no lock and see one entry whole; changes hold `lock`, which also keeps the map and
// Platform::set_mapping in step.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "models/base/maybe.h"
#include "models/base/types.h"
#include "models/xen/api/core_api.h"
#include "models/xen/api/platform.h"
#include "models/xen/frame_groups.h"
#include "models/xen/locks.h"
#include "models/xen/p2m_entry.h"
#include "models/xen/p2m_overrides.h"
#include "models/xen/page_references.h"
#include "models/xen/state/fields_of.h"

namespace xensim::xen {

struct Entry;  // hypervisor.h

// RAM that a domain may have beyond what it was created with, in pages: the toolstack's slack of 1 MiB. Of that the
// toolstack takes for itself 8 special pages (the rings of xenstore and console among them) and 9 of firmware tables;
// they are counted, and told of in the memory map, whether anything lies there or not.
inline constexpr uint64_t kSlackPages = 256;
inline constexpr uint64_t kToolstackPages = 17;
inline constexpr uint64_t kLastSpecialGfn = 0xfefff;

// A row of the memory map that XENMEM_memory_map gives (hvm/e820.h).
struct MemoryRange {
  uint64_t start = 0;
  uint64_t bytes = 0;
  uint32_t type = 0;
};

class P2m {
 public:
  P2m(Platform& platform, const DomainConfig& config);
  P2m(const P2m&) = delete;
  P2m& operator=(const P2m&) = delete;

  // Taken around changes; innermost of all.
  Lock lock;

  // The entry of any number a guest gave. No scheduling point.
  P2mEntry lookup(Gfn gfn) const {
    const uint64_t index = gfn.v - first_.first_gfn;
    if (index < first_.pages && !torn_down_.load(std::memory_order_relaxed)) [[likely]] {
      if ((first_.overridden[index / 64].load(std::memory_order_acquire) >> (index % 64) & 1) == 0) [[likely]]
        return {PageType::kRam, Mfn{first_.first_frame + index}};
    }
    return lookup_any(gfn);
  }
  // Where `gpa` lies in machine memory, if a page of the domain's own is there or a foreign one (no hole, no grant
  // mapping; all of those can be written). No scheduling point.
  Maybe<Maddr> lookup(Entry& /*entry*/, Gpa gpa, Access /*access*/) const {
    const P2mEntry found = lookup(Gfn{gpa.v >> kPageShift});
    if (!found.is_ram() && !found.is_foreign()) return std::nullopt;
    return Maddr{found.frame.v << kPageShift | (gpa.v & (kPageSize - 1))};
  }
  bool is_ram(Entry& entry, Gfn gfn) const;

  // Tells the Platform again of every entry that is not as it was created.
  void announce();
  // Puts `entry` at `gfn`, below kMaxGfn, for the core and for the vCPUs.
  void set(Gfn gfn, P2mEntry entry) XS_REQUIRES(lock) { replace(gfn, lookup(gfn), entry); }
  // The same where `found` was looked up there, under the lock.
  void replace(Gfn gfn, P2mEntry found, P2mEntry entry) XS_REQUIRES(lock);
  // The one gfn at which a page of the domain's own is mapped; nullopt: nowhere.
  Maybe<Gfn> gfn_of(Mfn frame) const XS_REQUIRES(lock);

  // Is the frame a RAM page of the domain, as opposed to shared_info, a grant table's frame or another domain's page?
  bool owns_ram(Mfn frame) const;
  // The frame at `gfn` with a reference on it, if it is a page of the domain's own: it is not given out again before
  // drop_reference. nullopt: there is no such page. No scheduling points.
  Maybe<Mfn> acquire_page(Gfn gfn);
  void take_reference(Mfn frame);
  void drop_reference(Mfn frame);
  bool is_referenced(Mfn frame) const { return references_.contains(frame.v); }
  bool any_referenced() const { return references_.any(); }
  // Of all frames together, while nobody is inside the core.
  uint64_t total_references() const { return references_.total(); }
  // Of one frame, while nobody is inside the core.
  uint32_t references(Mfn frame) const { return references_.count(frame.v); }
  // The domain was destroyed: every lookup finds a hole from now on. References stay until they are dropped.
  void tear_down() { torn_down_.store(true); }

  // Gives an unmapped RAM page back to the domain's allowance.
  void free_page(Mfn frame) XS_REQUIRES(lock);
  // Counts so many more pages as the domain's, all or none. false: it may not have that many.
  bool take_allowance(uint64_t pages) XS_REQUIRES(lock);
  // A RAM page for the domain, of those that take_allowance counted.
  struct NewPage {
    Mfn frame;
    bool zeroed = false;  // else its contents are what they were
  };
  NewPage new_page() XS_REQUIRES(lock);

  // Shows a page that is no RAM at `gfn` and nowhere else, over whatever is there; where it was, what it covered shows
  // again (trait overlays_reveal).
  void overlay(Gfn gfn, Mfn frame) XS_REQUIRES(lock);

  // Whose page lies at `gfn`; only where the entry is foreign.
  DomId foreign_owner(Gfn gfn) const XS_REQUIRES(lock) { return foreign_.at(gfn.v); }
  void set_foreign(Gfn gfn, Mfn frame, DomId owner) XS_REQUIRES(lock);

  // RAM pages that the domain has now, and may have at most.
  uint64_t current_pages() const XS_REQUIRES(lock) { return owned_pages_; }
  uint64_t max_pages() const { return first_pages_ + kSlackPages; }
  // XENMEM_claim_pages: that many pages in all shall be the domain's to take; 0 drops the claim. false: there is one
  // already, or it asks for less than the domain has or more than it may have.
  bool claim(uint64_t pages) XS_REQUIRES(lock);
  // The highest gfn that is no hole.
  Gfn highest_gfn() const XS_REQUIRES(lock);

  // What XENMEM_memory_map tells: RAM at first, anything once the guest has set it.
  std::vector<MemoryRange> memory_map XS_GUARDED_BY(lock);

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  // A range of RAM with a bit for each page whose entry is an override.
  struct Range {
    uint64_t first_gfn = 0;
    uint64_t pages = 0;
    uint64_t first_frame = 0;
    std::unique_ptr<std::atomic<uint64_t>[]> overridden;
  };

  // The same as lookup(), for those that are not in the first range as it was created.
  P2mEntry lookup_any(Gfn gfn) const;
  // nullptr: in none.
  const Range* range_of_gfn(uint64_t gfn) const {
    for (const Range& range : ranges_) {
      if (gfn - range.first_gfn < range.pages) return &range;
    }
    return nullptr;
  }
  const Range* range_of_frame(uint64_t frame) const {
    for (const Range& range : ranges_) {
      if (frame - range.first_frame < range.pages) return &range;
    }
    return nullptr;
  }
  // Tells the Platform.
  void show(Gfn gfn, P2mEntry entry);
  void forget_location(P2mEntry entry, Gfn gfn) XS_REQUIRES(lock);
  void reveal(Gfn gfn) XS_REQUIRES(lock);
  void add_extra_frame(uint64_t frame) XS_REQUIRES(lock);

  Platform& platform_;
  const DomId dom_;
  std::vector<Range> ranges_;
  // The first of them again, where a lookup has it without going from pointer to pointer.
  struct {
    uint64_t first_gfn = 0;
    uint64_t pages = 0;
    uint64_t first_frame = 0;
    const std::atomic<uint64_t>* overridden = nullptr;
  } first_;
  const uint64_t first_pages_;

  P2mOverrides overrides_;

  // RAM beyond what the domain started with, a bit for each frame; set with `lock` held, read without. A reader has the
  // frame from a lookup: the bit was set before the frame was mapped, and the lookup acquires what mapping it released.
  FrameGroups<std::atomic<uint64_t>> extra_frames_;

  std::atomic<bool> torn_down_{false};

  PageReferences references_;

  // By frame: where a page of the domain's own is now, if not where it was at creation; ~0: nowhere.
  std::map<uint64_t, uint64_t> moved_ XS_GUARDED_BY(lock);
  std::deque<uint64_t> free_pages_ XS_GUARDED_BY(lock);  // the oldest first
  uint64_t owned_pages_ XS_GUARDED_BY(lock) = 0;
  uint64_t claimed_pages_ XS_GUARDED_BY(lock) = 0;
  std::map<uint64_t, DomId> foreign_ XS_GUARDED_BY(lock);  // by gfn
  // Trait overlays_reveal: frame and gfn of each overlay, the topmost last.
  std::vector<std::pair<uint64_t, uint64_t>> overlays_ XS_GUARDED_BY(lock);
};

}  // namespace xensim::xen
