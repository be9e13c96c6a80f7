// The tables of the physical-to-machine map.
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
  std::map<uint64_t, uint32_t> counted;
  for (const PageReferences::Range& range : references.ranges_) {
    for (uint64_t page = 0; !ar.loading() && page < range.pages; ++page) {
      const std::atomic<uint32_t>* const count = references.counter(range, range.first_frame + page);
      if (count != nullptr && count->load() != 0) counted[range.first_frame + page] = count->load();
    }
  }
  ar("ranges_", counted, kMost);
  ar.skip("mutex_", "nobody is inside");
  ar.skip("owned_", "what ranges_ points to");
  ar("others_", references.others_, kMost);
  if (!ar.loading()) return;
  for (const auto& [frame, count] : counted) {
    const PageReferences::Range* const range = references.range_of(frame);
    if (range == nullptr || count == 0) return ar.fail("ranges_ has a page that there is not");
    references.make_counter(*range, frame).store(count);
  }
  for (const auto& [frame, count] : references.others_) {
    if (references.range_of(frame) != nullptr || count == 0) return ar.fail("others_ has a page of ranges_");
    check_frame(ar, "others_", Mfn{frame});
  }
}

namespace {

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
  ar.skip("extra_frames_mutex_", "nobody is inside");
  ar("extra_frames_", p2m.extra_frames_, kMost);
  ar("torn_down_", p2m.torn_down_);
  ar.skip("references_mutex_", "nobody is inside");
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
  for (const uint64_t each : p2m.free_pages_) check_frame(ar, "free_pages_", Mfn{each});
  for (const uint64_t each : p2m.extra_frames_) check_frame(ar, "extra_frames_", Mfn{each});
  for (const auto& [frame, gfn] : p2m.overlays_) {
    check_frame(ar, "overlays_", Mfn{frame});
    ar.check_below("overlays_", gfn, kMaxGfn);
  }
}

}  // namespace xensim::xen
