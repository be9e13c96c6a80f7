// The tables of the physical-to-machine map.
#include <bit>
#include <set>

#include "models/xen/state/fields.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kMost = 1 << 24;  // pages that a table of exceptions can have

}  // namespace

template <>
void fields_of(StateArchive& ar, P2mEntry& entry) {
  ar.one_of("type", entry.type, PageType::kForeign);
  if (entry.is_hole()) {
    ar("frame", entry.frame);
  } else {
    frame_field(ar, "frame", entry.frame);
  }
}

template <>
void fields_of(StateArchive& ar, MemoryRange& range) {
  ar("start", range.start);
  ar("bytes", range.bytes);
  ar("type", range.type);
}

template <>
void fields_of(StateArchive& ar, PageReferences& references) {
  std::map<uint64_t, uint32_t> counts;
  references.counts_.for_each([&](uint64_t first, const auto& group) {
    for (unsigned i = 0; i < group.size(); ++i) {
      if (const uint32_t count = group[i].load(); count != 0) counts[first + i] = count;
    }
  });
  ar("counts_", counts, kMost);
  if (!ar.loading()) return;
  for (const auto& [frame, count] : counts) {
    if (count == 0) ar.fail("counts_ has a page that nobody uses");
    check_frame(ar, "counts_", Mfn{frame});
    if (!ar.ok()) return;
    references.counts_.make(frame)[index_in_group(frame)].store(count);
  }
}

namespace {

std::set<uint64_t> frames_of(const FrameGroups<std::atomic<uint64_t>>& groups) {
  std::set<uint64_t> frames;
  groups.for_each([&](uint64_t first, const std::atomic<uint64_t>& bits) {
    for (uint64_t left = bits.load(); left != 0; left &= left - 1) frames.insert(first + std::countr_zero(left));
  });
  return frames;
}

// What follows from the overrides, and must hold between them and the other tables.
void check_map(StateArchive& ar, const std::map<uint64_t, P2mEntry>& overrides,
               const std::map<uint64_t, DomId>& foreign) {
  for (const auto& [gfn, entry] : overrides) {
    ar.check_below("overrides_", gfn, kMaxGfn);
    if (entry.is_foreign() != foreign.contains(gfn)) ar.fail("foreign_ says something else than overrides_");
  }
  for (const auto& [gfn, owner] : foreign) {
    if (!overrides.contains(gfn)) ar.fail("foreign_ has a page that is not mapped");
  }
}

}  // namespace

template <>
void fields_of(StateArchive& ar, P2m& p2m) {
  ar.skip("lock", "nobody is inside");
  ar("memory_map", p2m.memory_map, kMost);
  ar.skip("platform_", "the machine's");
  ar.skip("dom_", "of the configuration");
  ar.skip("first_", "of the configuration");
  ar.skip("ranges_", "of the configuration; the bits of what is overridden follow from overrides_");
  ar.skip("first_pages_", "of the configuration");
  const auto entries = p2m.overrides_.all();
  std::map<uint64_t, P2mEntry> overrides(entries.begin(), entries.end());
  ar("overrides_", overrides, kMost);
  std::set<uint64_t> extra_frames = frames_of(p2m.extra_frames_);
  ar("extra_frames_", extra_frames, kMost);
  ar("torn_down_", p2m.torn_down_);
  ar("references_", p2m.references_);
  ar("moved_", p2m.moved_, kMost);
  ar("free_pages_", p2m.free_pages_, kMost);
  ar.below("owned_pages_", p2m.owned_pages_, p2m.max_pages() + 1);
  ar.below("claimed_pages_", p2m.claimed_pages_, p2m.max_pages() + 1);
  ar("foreign_", p2m.foreign_, kMost);
  ar("overlays_", p2m.overlays_, kMost);
  if (!ar.loading()) return;
  check_map(ar, overrides, p2m.foreign_);
  for (const auto& [gfn, entry] : overrides) {
    if (!ar.ok()) return;  // a number that there is not, among others
    p2m.overrides_.set(gfn, entry);
    for (P2m::Range& range : p2m.ranges_) {
      const uint64_t index = gfn - range.first_gfn;
      if (index < range.pages) range.overridden[index / 64].fetch_or(uint64_t{1} << (index % 64));
    }
  }
  for (const uint64_t each : extra_frames) {
    check_frame(ar, "extra_frames_", Mfn{each});
    if (!ar.ok()) return;
    p2m.add_extra_frame(each);
  }
  for (const uint64_t each : p2m.free_pages_) check_frame(ar, "free_pages_", Mfn{each});
  for (const auto& [frame, gfn] : p2m.overlays_) {
    check_frame(ar, "overlays_", Mfn{frame});
    ar.check_below("overlays_", gfn, kMaxGfn);
  }
}

}  // namespace xensim::xen
