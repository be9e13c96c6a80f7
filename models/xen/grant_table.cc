#include "models/xen/grant_table.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "models/xen/abi/public.h"

namespace xensim::xen {
namespace {

constexpr unsigned kEntryBytes = 8;  // v1: flags, domid (16 bits each), frame (32 bits)
constexpr unsigned kMaxTries = 5;    // of a compare-exchange that the guest may race with

}  // namespace

GrantTable::GrantTable(Platform& platform, const DomainConfig& config)
    : lock(LockRank::kGrantTable, Site::kGrantLock, config.id),
      maptrack_lock(LockRank::kMaptrack, Site::kMaptrackLock, config.id),
      platform_(platform),
      dom_(config.id),
      max_frames_(config.max_grant_frames),
      max_maptrack_frames_(config.max_maptrack_frames),
      active_(config.max_grant_frames * (kGrantsPerFrame / kActivePerChunk)),
      maptrack_(config.max_maptrack_frames),
      free_handles_(config.vcpus) {
  if (max_frames_ > 0) frames_.push_back(platform_.allocate_page(dom_));  // a table starts with one frame
}

GrantTable::~GrantTable() = default;

bool GrantTable::grow(uint32_t wanted) {
  if (wanted > max_frames_) return false;
  while (frames_.size() < wanted) frames_.push_back(platform_.allocate_page(dom_));
  return true;
}

Maddr GrantTable::entry_address(uint32_t ref) const {
  XS_CHECK(ref < entries());
  return Maddr{(frames_[ref / kGrantsPerFrame].v << kPageShift) + ref % kGrantsPerFrame * kEntryBytes};
}

ActiveEntry& GrantTable::active(uint32_t ref) {
  XS_CHECK(ref < entries());
  std::atomic<ActiveChunk*>& slot = active_[ref / kActivePerChunk];
  ActiveChunk* chunk = slot.load(std::memory_order_acquire);
  if (chunk == nullptr) {
    const std::lock_guard guard(active_mutex_);
    chunk = slot.load(std::memory_order_relaxed);
    if (chunk == nullptr) {
      auto fresh = std::make_unique<ActiveChunk>();
      const uint32_t first = ref / kActivePerChunk * kActivePerChunk;
      for (uint32_t i = 0; i < kActivePerChunk; ++i) fresh->emplace_back(dom_, first + i);
      chunk = active_owned_.emplace_back(std::move(fresh)).get();
      slot.store(chunk, std::memory_order_release);
    }
  }
  return (*chunk)[ref % kActivePerChunk];
}

int16_t GrantTable::pin_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly, bool mapping,
                               DomId grantee) {
  const Maddr at = entry_address(ref);
  const uint16_t type_mask = mapping ? GTF_type_mask | GTF_sub_page : GTF_type_mask;
  auto seen = static_cast<uint32_t>(entry.platform().load(Site::kGrantEntry, at, 4));
  for (unsigned tries = 0; tries < kMaxTries; ++tries) {
    const auto flags = static_cast<uint16_t>(seen);
    const auto domid = static_cast<uint16_t>(seen >> 16);
    if (active.pin == 0 && ((flags & type_mask) != GTF_permit_access || domid != grantee.v)) return GNTST_general_error;
    if (!readonly && (flags & GTF_readonly) != 0) return GNTST_general_error;
    const uint32_t wanted = seen | GTF_reading | (readonly ? 0u : GTF_writing);
    const auto old =
        static_cast<uint32_t>(entry.platform().rmw(Site::kGrantEntry, at, 4, Rmw::kCompareExchange, wanted, seen));
    if (old == seen) return GNTST_okay;
    seen = old;
  }
  return GNTST_general_error;  // the guest changes the entry faster than it can be pinned
}

void GrantTable::reduce_status(Entry& entry, uint32_t ref, const ActiveEntry& active, bool readonly) {
  uint16_t clear = active.pin == 0 ? GTF_reading : 0;
  if (!readonly && (active.pin & kPinHostWriteMask) == 0) clear |= GTF_writing;
  if (clear == 0) return;
  entry.platform().rmw(Site::kGrantEntry, entry_address(ref), 2, Rmw::kAnd, static_cast<uint16_t>(~clear));
}

Gfn GrantTable::read_frame(Entry& entry, uint32_t ref) {
  return Gfn{entry.platform().load(Site::kGrantFrame, Maddr{entry_address(ref).v + 4}, 4)};
}

std::optional<uint32_t> GrantTable::pop_handle(uint32_t vcpu) {
  std::deque<uint32_t>& list = free_handles_[vcpu];
  if (list.size() < 2) return std::nullopt;
  const uint32_t handle = list.front();
  list.pop_front();
  return handle;
}

uint32_t GrantTable::add_maptrack_frame(uint32_t vcpu) {
  const uint32_t first = maptrack_limit_.load();
  MaptrackFrame* const frame = maptrack_owned_.emplace_back(std::make_unique<MaptrackFrame>()).get();
  for (MaptrackEntry& each : *frame) each.vcpu = vcpu;
  maptrack_[first / kMaptrackPerFrame].store(frame);
  maptrack_limit_.store(first + kMaptrackPerFrame);
  // The first is taken now; the others go to the head of the list.
  std::deque<uint32_t>& list = free_handles_[vcpu];
  for (uint32_t handle = first + kMaptrackPerFrame - 1; handle > first; --handle) list.push_front(handle);
  return first;
}

uint32_t GrantTable::steal_handle(uint32_t vcpu) {
  const auto count = static_cast<uint32_t>(free_handles_.size());
  for (uint32_t step = 1; step < count; ++step) {
    const std::optional<uint32_t> handle = pop_handle((vcpu + step) % count);
    if (!handle) continue;
    maptrack(*handle)->vcpu = vcpu;
    return *handle;
  }
  return kInvalidHandle;
}

uint32_t GrantTable::take_handle(Entry& entry, uint32_t vcpu) {
  const LockGuard guard(entry, maptrack_lock);
  if (const std::optional<uint32_t> handle = pop_handle(vcpu)) return *handle;
  if (maptrack_owned_.size() < max_maptrack_frames_) return add_maptrack_frame(vcpu);
  return steal_handle(vcpu);
}

void GrantTable::put_handle(Entry& entry, uint32_t handle) {
  const LockGuard guard(entry, maptrack_lock);
  free_handles_[maptrack(handle)->vcpu].push_back(handle);
}

MaptrackEntry* GrantTable::maptrack(uint32_t handle) {
  if (handle >= maptrack_limit_.load()) return nullptr;
  return &(*maptrack_[handle / kMaptrackPerFrame].load())[handle % kMaptrackPerFrame];
}

void GrantTable::check_invariants(std::vector<std::string>& broken) const {
  std::vector<bool> is_free(maptrack_limit_.load());
  for (const std::deque<uint32_t>& list : free_handles_) {
    for (const uint32_t handle : list) {
      if (is_free[handle]) broken.push_back(fmt::format("d{}: maptrack handle {} is free twice", dom_.v, handle));
      is_free[handle] = true;
      const MaptrackEntry& mapping = (*maptrack_[handle / kMaptrackPerFrame].load())[handle % kMaptrackPerFrame];
      if (mapping.flags.load() != 0) broken.push_back(fmt::format("d{}: free handle {} has flags", dom_.v, handle));
    }
  }
  for (const std::unique_ptr<ActiveChunk>& chunk : active_owned_) {
    for (const ActiveEntry& active : *chunk) {
      if ((active.pin & ~(kPinHostWriteMask | kPinHostWriteMask << 8)) != 0) {
        broken.push_back(
            fmt::format("d{}: grant {} is pinned {:#x} times", dom_.v, active.lock.order() & ~0u, active.pin));
      }
    }
  }
}

}  // namespace xensim::xen
