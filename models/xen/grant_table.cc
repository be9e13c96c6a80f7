#include "models/xen/grant_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "models/base/check.h"
#include "models/xen/abi/public.h"

namespace xensim::xen {
namespace {

constexpr unsigned kEntryBytes = 8;     // v1: flags, domid (16 bits each), frame (32 bits)
constexpr unsigned kEntryBytesV2 = 16;  // v2: flags, domid (16 bits each), then as the flags say
constexpr unsigned kFrameAtV2 = 8;      // of the 64-bit frame of a page's or a sub-page's grant

uint32_t status_frames_for(uint32_t frames) {
  return (frames * kGrantsPerFrameV2 + kStatusPerFrame - 1) / kStatusPerFrame;
}

}  // namespace

GrantTable::GrantTable(Platform& platform, const DomainConfig& config)
    : lock(LockRank::kGrantTable, Site::kGrantLock, config.id),
      maptrack(config.id, config.vcpus, config.max_maptrack_frames),
      platform_(platform),
      dom_(config.id),
      max_frames_(config.max_grant_frames),
      active_(config.max_grant_frames * kChunksPerFrame) {
  if (max_frames_ > 0 && !config.empty_grant_table && !config.restored) {
    frames_.push_back(platform_.allocate_page(dom_));
  }
}

GrantTable::~GrantTable() {
  for (uint32_t slot = 0; slot < used_slots(); ++slot) delete active_[slot].load();
}

bool GrantTable::grow(uint32_t wanted) {
  if (wanted > max_frames_) return false;
  while (frames_.size() < wanted) frames_.push_back(platform_.allocate_page(dom_));
  if (version_ == 2) add_status_frames();
  return true;
}

void GrantTable::zero(Mfn frame) {
  constexpr std::array<std::byte, kPageSize> kZeroes{};
  platform_.write(Site::kGrantEntry, Maddr{frame.v << kPageShift}, kZeroes);
}

void GrantTable::add_status_frames() {
  while (status_frames_.size() < status_frames_for(frames())) {
    if (spare_frames_.empty()) {
      status_frames_.push_back(platform_.allocate_page(dom_));
      continue;
    }
    zero(spare_frames_.back());
    status_frames_.push_back(spare_frames_.back());
    spare_frames_.pop_back();
  }
}

bool GrantTable::status_frames_fit() const {
  return status_frames_.size() == (version_ == 1 ? 0 : status_frames_for(static_cast<uint32_t>(frames_.size())));
}

void GrantTable::change_version(uint32_t version) {
  for (const Mfn frame : frames_) zero(frame);
  version_ = version;
  if (version == 2) return add_status_frames();
  spare_frames_.insert(spare_frames_.end(), status_frames_.rbegin(), status_frames_.rend());
  status_frames_.clear();
}

Maddr GrantTable::entry_address(uint32_t ref) const {
  XS_CHECK(ref < entries());
  // Constants in both cases: a division by a variable would cost more than the rest.
  if (version_ == 1) {
    return Maddr{(frames_[ref / kGrantsPerFrame].v << kPageShift) + ref % kGrantsPerFrame * kEntryBytes};
  }
  return Maddr{(frames_[ref / kGrantsPerFrameV2].v << kPageShift) + ref % kGrantsPerFrameV2 * kEntryBytesV2};
}

Maddr GrantTable::status_address(uint32_t ref) const {
  if (version_ == 1) return entry_address(ref);
  XS_CHECK(ref < entries());
  return Maddr{(status_frames_[ref / kStatusPerFrame].v << kPageShift) + ref % kStatusPerFrame * 2};
}

ActiveEntry& GrantTable::active(uint32_t ref) {
  const uint32_t slot = ref / kActivePerChunk;
  // With the release in make_chunk().
  ActiveChunk* const chunk = active_.at(slot).load(std::memory_order_acquire);
  return (chunk != nullptr ? *chunk : make_chunk(slot)).entries[ref % kActivePerChunk];
}

GrantTable::ActiveChunk& GrantTable::make_chunk(uint32_t slot) {
  XS_CHECK(slot < used_slots());
  auto fresh = std::make_unique<ActiveChunk>(dom_, slot * kActivePerChunk, std::make_index_sequence<kActivePerChunk>());
  ActiveChunk* first = nullptr;
  if (!active_[slot].compare_exchange_strong(first, fresh.get(), std::memory_order_release,
                                             std::memory_order_acquire)) {
    return *first;
  }
  return *fresh.release();
}

Gfn GrantTable::read_frame(Entry& entry, uint32_t ref) {
  const Maddr at = entry_address(ref);
  if (version_ == 1) return Gfn{entry.platform().load(Site::kGrantFrame, Maddr{at.v + 4}, 4)};
  return Gfn{entry.platform().load(Site::kGrantFrame, Maddr{at.v + kFrameAtV2}, 8)};
}

uint32_t GrantTable::pins_of(uint32_t ref) const {
  const ActiveChunk* chunk = active_.at(ref / kActivePerChunk).load();
  if (chunk == nullptr) return 0;
  const uint32_t pin = chunk->entries[ref % kActivePerChunk].pin;
  return (pin & 0xff) + (pin >> 8 & 0xff) + (pin >> 16 & 0xff) + (pin >> 24);
}

void GrantTable::check_invariants(std::vector<std::string>& broken) const {
  maptrack.check_invariants(broken);
  if (v2_operations.load() != 0) {
    broken.push_back(fmt::format("d{}: {} copies are counted as under way", dom_.v, v2_operations.load()));
  }
}

}  // namespace xensim::xen
