// The tables of grants and of the mappings made of them.
#include "models/xen/state/fields.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kMostFrames = 1 << 16;  // of a table; more than any toolstack gives

void frames(StateArchive& ar, const char* name, std::vector<Mfn>& list) {
  const uint64_t count = ar.size(name, list.size(), kMostFrames);
  if (ar.loading()) list.resize(count);
  for (Mfn& frame : list) frame_field(ar, name, frame);
}

}  // namespace

template <>
void fields_of(StateArchive& ar, ActiveEntry& active) {
  ar.skip("lock", "nobody is inside");
  ar("pin", active.pin);
  ar("domid", active.domid);
  frame_field(ar, "frame", active.frame);
  ar("is_sub_page", active.is_sub_page);
  ar("start", active.start);
  ar("length", active.length);
  domain_field(ar, "trans_domain", active.trans_domain);
  ar("trans_ref", active.trans_ref);
}

template <>
void fields_of(StateArchive& ar, GrantTable& table) {
  ar.skip("lock", "nobody is inside");
  ar("maptrack", table.maptrack);
  ar.skip("v2_operations", "nobody is inside");
  ar.skip("platform_", "the machine's");
  ar.skip("dom_", "of the configuration");
  ar.skip("max_frames_", "of the configuration");
  ar("version_", table.version_);
  if (ar.loading() && table.version_ != 1 && table.version_ != 2) ar.fail("version_ is neither 1 nor 2");
  frames(ar, "frames_", table.frames_);
  frames(ar, "status_frames_", table.status_frames_);
  frames(ar, "spare_frames_", table.spare_frames_);
  if (ar.loading() && (table.frames_.size() > table.max_frames_ || !table.status_frames_fit())) {
    return ar.fail("frames_ and status_frames_ do not go together");
  }
  // Entries that are in use alone: the others are as a fresh one.
  std::vector<uint32_t> pinned;
  table.for_each_pinned([&](uint32_t ref, const ActiveEntry&) { pinned.push_back(ref); });
  const uint64_t count = ar.size("active_", pinned.size(), table.active_.size() * GrantTable::kActivePerChunk);
  for (uint64_t i = 0; i < count && ar.ok(); ++i) {
    uint32_t ref = ar.loading() ? 0 : pinned[i];
    ar.open("active_", ref);
    ar.below("ref", ref, table.entries());
    if (ar.ok()) fields_of(ar, table.active(ref));
    ar.close();
  }
}

template <>
void fields_of(StateArchive& ar, MaptrackEntry& entry) {
  ar("flags", entry.flags);
  ar("ref", entry.ref);
  ar("domid", entry.domid);
  ar("vcpu", entry.vcpu);
}

template <>
void fields_of(StateArchive& ar, Maptrack& maptrack) {
  ar.skip("dom_", "of the configuration");
  ar.skip("max_frames_", "of the configuration");
  ar.skip("lock_", "nobody is inside");
  uint32_t limit = maptrack.limit_.load();
  ar.below("limit_", limit, uint64_t{maptrack.max_frames_} * kMaptrackPerFrame + 1);
  if (ar.loading() && limit % kMaptrackPerFrame != 0) ar.fail("limit_ is no whole number of frames");
  ar.skip("frames_", "the entries, up to limit_");
  ar.skip("owned_", "what frames_ points to");
  while (ar.loading() && ar.ok() && maptrack.limit_.load() < limit) maptrack.append_frame(0);
  for (uint32_t handle = 0; handle < limit && ar.ok(); ++handle) {
    MaptrackEntry& entry = maptrack.at(handle);
    ar("entries", entry);
    ar.check_below("vcpu", entry.vcpu, maptrack.lists_.size());
    if (entry.flags.load() == 0 && entry.ref.load() != kInvalidHandle) ar.check_below("ref", entry.ref.load(), limit);
  }
  for (const std::unique_ptr<Maptrack::FreeList>& list : maptrack.lists_) {
    for (uint32_t* end : {&list->head, &list->tail}) {
      ar("lists_", *end);
      if (*end != kInvalidHandle) ar.check_below("lists_", *end, limit);
    }
    if ((list->head == kInvalidHandle) != (list->tail == kInvalidHandle)) ar.fail("lists_ has one end alone");
  }
}

}  // namespace xensim::xen
