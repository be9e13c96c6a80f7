// Accesses of one object are chained, reads and writes apart, so that a prefix is restored by unchaining.
#include "sim/explore/search/access_log.h"

namespace xensim::sim {

namespace {

constexpr unsigned class_of(const ObjectAccess& access) { return is_read(access.kind) ? 1 : 0; }

}  // namespace

void AccessLog::append(unsigned lane, uint64_t runnable, std::span<const ObjectAccess> footprint) {
  const auto index = static_cast<uint32_t>(steps_.size());
  const auto begin = static_cast<uint32_t>(entries_.size());
  const uint32_t previous = last_[lane];
  const uint32_t number = previous == kNone ? 1 : steps_[previous].number + 1;
  steps_.push_back({lane, number, previous, find_enabler(lane), begin, begin, runnable});
  for (const ObjectAccess& access : footprint) {
    if (access.object != 0 && !dropped(access)) add(index, access);
  }
  steps_.back().end = static_cast<uint32_t>(entries_.size());
  last_[lane] = index;
  lanes_ |= lane_bit(lane);
}

// Each step is looked at once for each lane that does not run in it.
uint32_t AccessLog::find_enabler(unsigned lane) const {
  const size_t from = last_[lane] == kNone ? 0 : last_[lane] + 1;
  for (size_t step = steps_.size(); step-- > from;) {
    if ((steps_[step].runnable & lane_bit(lane)) == 0) return static_cast<uint32_t>(step);
  }
  return kNone;
}

bool AccessLog::steps_conflict(size_t a, size_t b) const {
  for (const Entry& mine : entries(steps_[a])) {
    for (const Entry& theirs : entries(steps_[b])) {
      if (conflict(mine.access, theirs.access)) return true;
    }
  }
  return false;
}

void AccessLog::add(uint32_t step, const ObjectAccess& access) {
  for (size_t i = steps_[step].begin; i < entries_.size(); ++i) {
    ObjectAccess& known = entries_[i].access;
    if (known.object != access.object || known.kind != access.kind) continue;
    known.mask |= access.mask;
    return;
  }
  Entry entry{access, step, objects_.slot_of(access.object), kNone, kNone};
  if (entry.slot >= newest_.size()) newest_.resize(entry.slot + 1);
  link(entry);
  entries_.push_back(entry);
}

void AccessLog::link(Entry& entry) {
  Newest& newest = newest_[entry.slot];
  const unsigned own = class_of(entry.access);
  entry.older = newest.entry[own];
  entry.opposite = newest.entry[1 - own];
  newest.entry[own] = static_cast<uint32_t>(entries_.size());
}

void AccessLog::truncate(size_t steps) {
  while (steps_.size() > steps) {
    const Step& step = steps_.back();
    last_[step.lane] = step.previous;
    if (step.previous == kNone) lanes_ &= ~lane_bit(step.lane);
    while (entries_.size() > step.begin) {
      const Entry& entry = entries_.back();
      newest_[entry.slot].entry[class_of(entry.access)] = entry.older;
      entries_.pop_back();
    }
    steps_.pop_back();
  }
}

bool AccessLog::dropped(const ObjectAccess& access) const {
  const ObjectSpace space = space_of(access);
  switch (defect_) {
    case ReducerDefect::kFailedTryIgnored: return space == ObjectSpace::kLock && access.kind <= AccessKind::kWrite;
    case ReducerDefect::kClockIgnored: return space == ObjectSpace::kClock || space == ObjectSpace::kTimer;
    case ReducerDefect::kSharedLockIgnored: return access.kind == AccessKind::kLockShared;
    default: return false;
  }
}

}  // namespace xensim::sim
