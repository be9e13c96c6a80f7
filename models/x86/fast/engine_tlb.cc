#include "models/x86/fast/engine_tlb.h"

#include <vector>

#include "models/x86/fast/live_state.h"
#include "models/x86/fast/safe_read.h"
#include "models/x86/page_walk.h"

namespace xensim::x86 {
namespace {

// What is before the tables: for each use 696 bytes, and before these what is common to all.
constexpr size_t kUses = 3, kDescBytes = 696, kDescs = kUses * kDescBytes + 8, kCommon = kDescs + 32;
// Of a use's: where large pages may be (address and mask), since when use is measured, how many entries there are, the
// victims, and an address for each entry.
constexpr size_t kLargeAddress = 0, kLargeMask = 8, kWindowBegin = 16, kUsed = 32, kNextVictim = 40, kAddresses = 688;
// Common to all: what is not empty, and how often all, some or none of the tables had to be flushed.
constexpr size_t kNotEmpty = 0, kWhole = 8, kPartly = 16, kNeedless = 24;
constexpr uint64_t kFlushesOfWindow = 32;
constexpr int64_t kFarAway = int64_t{1} << 62;  // ns, and there is room for the engine to add to it
constexpr uint64_t kVictims = 8;

constexpr uint64_t kPageMask = ~(kPageSize - 1);

std::byte* desc(std::byte* env, unsigned use) { return env + GATE_TLB - kDescs + kDescBytes * use; }
std::byte* common(std::byte* env) { return env + GATE_TLB - kCommon; }

template <class T>
void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

}  // namespace

static_assert(offsetof(EngineTlb::Entry, write) == GATE_ENTRY_WRITE);
static_assert(offsetof(EngineTlb::Entry, code) == GATE_ENTRY_CODE);
static_assert(offsetof(EngineTlb::Entry, physical) == GATE_ENTRY_PHYSICAL);
static_assert(offsetof(EngineTlb::Entry, addend) == GATE_ENTRY_ADDEND);
static_assert(sizeof(EngineTlb::Entry) <= 1 << GATE_ENTRY_SHIFT);

std::optional<bool> EngineTlb::prove(std::byte* env, uint64_t address, unsigned use) {
  if (use >= kUses) return false;
  const auto at = [](const std::byte* place) { return safe_load<uint64_t>(reinterpret_cast<uintptr_t>(place)); };
  const auto mask = at(table(env, use)), first = at(table(env, use) + 8);
  if (!mask || !first) return false;
  const uint64_t entries = (*mask >> GATE_ENTRY_SHIFT) + 1;
  const bool shaped = *mask % (1 << GATE_ENTRY_SHIFT) == 0 && entries >= 2 && entries <= 1 << 22 &&
                      (entries & (entries - 1)) == 0 && *first != 0 && *first % 8 == 0;
  if (!shaped) return false;
  const uint64_t page = address & kPageMask, index = address >> kPageShift & (entries - 1);
  std::vector<std::byte> all(entries << GATE_ENTRY_SHIFT);
  if (!safe_read(*first, all.data(), all.size())) return false;
  const auto entry_of = [&](uint64_t i) {
    Entry copy;
    std::memcpy(&copy, all.data() + (i << GATE_ENTRY_SHIFT), sizeof copy);
    return copy;
  };
  const Entry found = entry_of(index);
  if (found.write != (page | GATE_SEES_STORES)) return std::nullopt;
  const std::byte* const host = memory_.ram(found.physical);
  if (!host || reinterpret_cast<uint64_t>(host) != page + found.addend) return false;

  // CPUTLBDesc.n_used_entries counts them, by and by a few too many; CPUTLBCommon.dirty has the use's bit; and there is
  // a CPUIOTLBEntry (16 bytes) of each.
  uint64_t used = 0;
  for (uint64_t i = 0; i < entries; ++i) used += entry_of(i).empty() ? 0 : 1;
  const std::byte* const d = desc(env, use);
  const auto counted = at(d + kUsed), addresses = at(d + kAddresses), victim = at(d + kNextVictim),
             dirty = at(common(env) + kNotEmpty);
  if (!counted || !addresses || !victim || !dirty) return false;
  if (*counted + kVictims < used || *counted > 2 * used + 64 || *victim > entries * 64) return false;
  if (!(*dirty >> use & 1)) return false;
  if (*addresses == 0 || *addresses % 8 != 0) return false;
  const auto io = safe_load<uint64_t>(*addresses + 16 * index);
  if (!io || (*io + page) % kPageSize != 0) return false;
  env_ = env;
  return true;
}

// The engine notes a range that holds all large pages it has entries of, to drop all where one of them is to go.
bool EngineTlb::covers_large_page(std::byte* env, uint64_t address, unsigned use, uint64_t bytes) const {
  const std::byte* const d = desc(env, use);
  const uint64_t mask = word(d + kLargeMask);
  return (mask & (bytes - 1)) == 0 && (address & mask) == word(d + kLargeAddress);
}

// The engine looks at the time whenever it empties a table: as long as it is behind what the table has noted, it only
// grows. Every so many flushes the note is put into the past.
void EngineTlb::count_flushes(std::byte* env) {
  const std::byte* const c = common(env);
  const uint64_t seen = word(c + kWhole) + word(c + kPartly) + word(c + kNeedless);
  if (seen == flushes_seen_) return;
  flushes_seen_ = seen;
  const bool past = ++flushes_ % kFlushesOfWindow == 0;
  for (unsigned use = 0; use < kUses; ++use) put(desc(env, use) + kWindowBegin, past ? int64_t{0} : kFarAway);
}

void EngineTlb::account(std::byte* env, const Entry& entry, unsigned use) {
  ++filled_;
  std::byte* const not_empty = common(env) + kNotEmpty;
  put(not_empty, static_cast<uint16_t>(word(not_empty) | 1u << use));
  if (entry.empty()) put(desc(env, use) + kUsed, word(desc(env, use) + kUsed) + 1);
}

// An entry without stores is made where the engine may want to see them, or has to set the dirty bit. So the engine's
// own address of the page, by which it would look for code there, is not needed.
std::byte* EngineTlb::fill(std::byte* env, uint64_t address, unsigned use, Access access) {
  count_flushes(env);
  const LiveState live(env, layout_);
  if (!live.long_mode() || (live.cr(4) & (cr4::kLa57 | cr4::kPke))) return nullptr;
  const uint64_t page = address & kPageMask;
  Entry& place = entry(env, address, use);
  const uint64_t has = access == Access::kWrite ? place.write : place.read;
  if (access != Access::kExecute && has != ~uint64_t{0} && (has & kPageMask) == page) return nullptr;  // it has flags

  const std::optional<Leaf> leaf = find_leaf(memory_, live.cr(3), (live.efer() & efer::kNxe) != 0, address);
  if (!leaf || (leaf->user ? use == kKernel : use == kUser)) return nullptr;
  if (leaf->bytes > kPageSize && !covers_large_page(env, address, use, leaf->bytes)) return nullptr;
  const PhysicalMemory::Region* const region = memory_.find(leaf->gpa);
  if (!region || region->kind != PhysicalMemory::Kind::kRam) return nullptr;

  const uint64_t frame = leaf->gpa & kPageMask, none = ~uint64_t{0};
  const bool stores = leaf->writable && leaf->dirty && !memory_.has_code(frame);
  const bool fetches = !leaf->no_execute && (leaf->user == (use == kUser) || !(live.cr(4) & cr4::kSmep));
  if (access == Access::kWrite ? !stores : access == Access::kExecute && !fetches) return nullptr;
  std::byte* const host = region->host + (frame - region->gpa);
  account(env, place, use);
  place = {.read = page,
           .write = stores ? page : none,
           .code = fetches ? page : none,
           .physical = frame,
           .addend = reinterpret_cast<uint64_t>(host) - page};
  return host + (address - page);
}

}  // namespace xensim::x86
