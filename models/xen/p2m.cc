#include "models/xen/p2m.h"

#include <algorithm>
#include <iterator>

#include "models/base/check.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kNowhere = ~uint64_t{0};
// Types of e820 entries.
constexpr uint32_t kRamType = 1;
constexpr uint32_t kReservedType = 2;
constexpr uint32_t kAcpiType = 3;

// What the toolstack of a type=pvh domain writes behind RAM: its special pages, and the ACPI tables (root pointer,
// their description, the tables).
constexpr MemoryRange kToolstackRanges[] = {{0xfeff8000, 0x8000, kReservedType},
                                            {0xfc008000, 0x40, kAcpiType},
                                            {0xfc000000, 0x1000, kAcpiType},
                                            {0xfc001000, 0x7000, kAcpiType}};

// Where those pages are there, they are RAM as any other, but the toolstack's in each account and map that a guest is
// told.
bool is_toolstacks(const RamRange& ram) { return ram.start.v >= 0xfc000000 && ram.start.v < 0x100000000; }

uint64_t ram_pages(const DomainConfig& config) {
  uint64_t pages = 0;
  for (const RamRange& ram : config.ram) {
    if (!is_toolstacks(ram)) pages += ram.bytes >> kPageShift;
  }
  return pages;
}

}  // namespace

P2m::P2m(Platform& platform, const DomainConfig& config)
    : lock(LockRank::kP2m, Site::kP2mLock, config.id),
      platform_(platform),
      dom_(config.id),
      first_pages_(ram_pages(config)),
      extra_frames_(kSlackPages),
      references_(first_pages_) {
  for (const RamRange& ram : config.ram) {
    Range range;
    range.first_gfn = ram.start.v >> kPageShift;
    range.pages = ram.bytes >> kPageShift;
    range.first_frame = ram.base.v >> kPageShift;
    range.overridden = std::make_unique<std::atomic<uint64_t>[]>((range.pages + 63) / 64);
    if (!is_toolstacks(ram)) memory_map.push_back({ram.start.v, ram.bytes, kRamType});
    ranges_.push_back(std::move(range));
  }
  if (!ranges_.empty()) {
    const Range& first = ranges_.front();
    first_ = {first.first_gfn, first.pages, first.first_frame, first.overridden.get()};
  }
  memory_map.insert(memory_map.end(), std::begin(kToolstackRanges), std::end(kToolstackRanges));
  owned_pages_ = first_pages_ + kToolstackPages;
}

P2mEntry P2m::lookup_any(Gfn gfn) const {
  if (torn_down_.load(std::memory_order_relaxed)) return {};
  const Range* const range = range_of_gfn(gfn.v);
  if (range == nullptr) return overrides_.find(gfn.v).value_or(P2mEntry{});
  const uint64_t index = gfn.v - range->first_gfn;
  const P2mEntry as_created{PageType::kRam, Mfn{range->first_frame + index}};
  if ((range->overridden[index / 64].load(std::memory_order_acquire) >> (index % 64) & 1) == 0) return as_created;
  return overrides_.find(gfn.v).value_or(as_created);
}

bool P2m::is_ram(Entry& /*entry*/, Gfn gfn) const { return lookup(gfn).is_ram(); }

void P2m::forget_location(P2mEntry entry, Gfn gfn) {
  if (!entry.is_ram() || gfn_of(entry.frame) != gfn) return;
  if (owns_ram(entry.frame)) {
    moved_[entry.frame.v] = kNowhere;
  } else {
    moved_.erase(entry.frame.v);
  }
}

void P2m::replace(Gfn gfn, P2mEntry found, P2mEntry entry) {
  XS_CHECK(gfn.v < kMaxGfn);
  forget_location(found, gfn);
  if (!foreign_.empty()) foreign_.erase(gfn.v);
  if (entry.is_ram()) moved_[entry.frame.v] = gfn.v;

  const Range* range = range_of_gfn(gfn.v);
  if (entry.is_hole() && range == nullptr) {
    overrides_.clear(gfn.v);
  } else {
    overrides_.set(gfn.v, entry);
  }
  if (range != nullptr) {
    const uint64_t index = gfn.v - range->first_gfn;
    range->overridden[index / 64].fetch_or(uint64_t{1} << (index % 64), std::memory_order_release);
  }
  show(gfn, entry);
}

void P2m::show(Gfn gfn, P2mEntry entry) {
  platform_.set_mapping(dom_, gfn, entry.is_hole() ? std::nullopt : Maybe(entry.frame),
                        entry.type != PageType::kGrantRo);
}

void P2m::announce() {
  for (const auto& [gfn, entry] : overrides_.all()) show(Gfn{gfn}, entry);
}

Maybe<Gfn> P2m::gfn_of(Mfn frame) const {
  const auto found = moved_.find(frame.v);
  if (found != moved_.end()) return found->second == kNowhere ? std::nullopt : Maybe(Gfn{found->second});
  const Range* range = range_of_frame(frame.v);
  if (range == nullptr) return std::nullopt;
  return Gfn{range->first_gfn + (frame.v - range->first_frame)};
}

bool P2m::owns_ram(Mfn frame) const {
  if (range_of_frame(frame.v) != nullptr) return true;
  const std::atomic<uint64_t>* const bits = extra_frames_.find(frame.v);
  return bits != nullptr && (bits->load(std::memory_order_relaxed) >> index_in_group(frame.v) & 1) != 0;
}

Maybe<Mfn> P2m::acquire_page(Gfn gfn) {
  const P2mEntry found = lookup(gfn);
  // A page that the domain granted to itself and mapped again is still its own.
  if (!found.is_ram() && !(found.is_grant() && owns_ram(found.frame))) return std::nullopt;
  take_reference(found.frame);
  if (lookup(gfn) == found) return found.frame;
  drop_reference(found.frame);
  return std::nullopt;
}

void P2m::take_reference(Mfn frame) { references_.take(frame.v); }

void P2m::drop_reference(Mfn frame) { references_.drop(frame.v); }

void P2m::set_foreign(Gfn gfn, Mfn frame, DomId owner) {
  set(gfn, {PageType::kForeign, frame});
  foreign_[gfn.v] = owner;
}

void P2m::overlay(Gfn gfn, Mfn frame) {
  const auto found = std::find_if(overlays_.begin(), overlays_.end(),
                                  [frame](const auto& overlay) { return overlay.first == frame.v; });
  if (found != overlays_.end()) {
    const Gfn before{found->second};
    overlays_.erase(found);
    reveal(before);
  }
  overlays_.emplace_back(frame.v, gfn.v);
  set(gfn, {PageType::kRam, frame});
}

// Puts at `gfn` what lies there when the overlay that was on top is gone: the next one, RAM, or a hole.
void P2m::reveal(Gfn gfn) {
  for (auto overlay = overlays_.rbegin(); overlay != overlays_.rend(); ++overlay) {
    if (overlay->second == gfn.v) return set(gfn, {PageType::kRam, Mfn{overlay->first}});
  }
  const Range* range = range_of_gfn(gfn.v);
  if (range == nullptr) return set(gfn, {});
  set(gfn, {PageType::kRam, Mfn{range->first_frame + (gfn.v - range->first_gfn)}});
}

void P2m::free_page(Mfn frame) {
  if (!owns_ram(frame)) return;
  free_pages_.push_back(frame.v);
  --owned_pages_;
}

bool P2m::take_allowance(uint64_t pages) {
  if (owned_pages_ + pages > max_pages()) return false;
  owned_pages_ += pages;
  return true;
}

void P2m::add_extra_frame(uint64_t frame) {
  extra_frames_.make(frame).fetch_or(uint64_t{1} << index_in_group(frame), std::memory_order_relaxed);
}

P2m::NewPage P2m::new_page() {
  for (auto free = free_pages_.begin(); free != free_pages_.end(); ++free) {
    const Mfn frame{*free};
    if (references_.contains(frame.v)) continue;  // somebody still uses it through a grant
    free_pages_.erase(free);
    return {frame, false};
  }
  const Mfn fresh = platform_.allocate_page(dom_);
  add_extra_frame(fresh.v);
  return {fresh, true};
}

bool P2m::claim(uint64_t pages) {
  if (pages == 0) {
    claimed_pages_ = 0;
    return true;
  }
  if (claimed_pages_ != 0 || pages <= owned_pages_ || pages > max_pages()) return false;
  claimed_pages_ = pages - owned_pages_;
  return true;
}

Gfn P2m::highest_gfn() const {
  uint64_t highest = kLastSpecialGfn;
  for (const Range& range : ranges_) {
    for (uint64_t left = range.pages; left > 0 && range.first_gfn + left - 1 > highest; --left) {
      const uint64_t gfn = range.first_gfn + left - 1;
      if (!lookup(Gfn{gfn}).is_hole()) highest = gfn;
    }
  }
  return Gfn{std::max(highest, overrides_.highest_page().value_or(0))};
}

}  // namespace xensim::xen
