// Reversible races of a run, and what can come first where they are reversed.
#include "sim/explore/search/races.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

namespace xensim::sim {

namespace {

constexpr bool is_locking(AccessKind kind) { return kind == AccessKind::kLock || kind == AccessKind::kLockShared; }
constexpr bool is_unlocking(AccessKind kind) {
  return kind == AccessKind::kUnlock || kind == AccessKind::kUnlockShared;
}

void sort_latest_first(std::vector<uint32_t>& steps) {
  std::sort(steps.begin(), steps.end(), std::greater<>());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
}

}  // namespace

std::span<const uint32_t> Races::of(uint32_t second) {
  const AccessLog::Step& step = log_.step(second);
  const auto entries = log_.entries(step);
  lane_ = step.lane;
  last_ = step.previous;
  found_.clear();
  direct_.clear();
  maybe_.clear();
  if (has(ReducerDefect::kFirstReadSkipped) && step.number == 1 && !entries.empty() &&
      entries[0].access.kind == AccessKind::kRead)
    return {};
  for (const AccessLog::Entry& entry : entries) look_back(entry);
  keep_undominated();
  sort_latest_first(found_);
  if (has(ReducerDefect::kLastRaceOnly) && found_.size() > 1) found_.resize(1);
  return found_;
}

bool Races::ordered_by_lane(uint32_t step) const {
  return log_.lane(step) == lane_ || (last_ != AccessLog::kNone && order_.before(log_, step, last_));
}

void Races::look_back(const AccessLog::Entry& entry) {
  const bool locks = is_locking(entry.access.kind);
  uint32_t veil = 0;  // steps before this one are ordered with ours only by what let our lane run
  log_.visit_conflicts(entry, [&](const AccessLog::Entry& other) {
    const uint32_t first = other.step;
    if (ordered_by_lane(first)) return true;
    direct_.push_back(first);
    if (locks && is_unlocking(other.access.kind)) {
      if (has(ReducerDefect::kUnlockAsPartner)) found_.push_back(first);
      return false;
    }
    if (locks && is_locking(other.access.kind)) {
      if (!has(ReducerDefect::kUnlockAsPartner)) found_.push_back(first);
      return !log_.waited(lane_, first, last_);
    }
    if (!locks && log_.waited(lane_, first, last_)) {
      found_.push_back(first);
      veil = first;
      return has(ReducerDefect::kEnablerIsPartner);
    }
    (first < veil ? found_ : maybe_).push_back(first);
    return true;
  });
}

void Races::keep_undominated() {
  if (maybe_.empty()) return;
  sort_latest_first(direct_);
  sort_latest_first(maybe_);
  clock_.assign(order_.width(), 0);
  if (last_ != AccessLog::kNone) order_.join(clock_, last_);
  auto next = maybe_.begin();
  for (const uint32_t step : direct_) {
    const bool dominated = clock_[order_.column(log_.lane(step))] >= log_.step(step).number;
    if (next != maybe_.end() && *next == step) {
      if (!dominated) found_.push_back(step);
      ++next;
    }
    if (!dominated) order_.join(clock_, step);
  }
}

// Steps in their order, some left out.
class Races::Sequence {
 public:
  // Does the step happen after none of the sequence?
  bool can_begin_with(const Races& races, uint32_t at) const {
    for (uint64_t rest = lanes_; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(rest));
      if (races.order_.count(at, lane) >= number_[lane]) return false;
    }
    return true;
  }
  void append(const Races& races, uint32_t at) {
    const AccessLog::Step& step = races.log_.step(at);
    if ((lanes_ & lane_bit(step.lane)) != 0) return;
    if (can_begin_with(races, at)) initials_ |= lane_bit(step.lane);
    lanes_ |= lane_bit(step.lane);
    number_[step.lane] = step.number;
  }
  uint64_t initials() const { return initials_; }

 private:
  uint64_t lanes_ = 0;
  uint64_t initials_ = 0;
  std::array<uint32_t, kMaxLanes> number_;  // of each of the lanes: its first step in the sequence
};

uint64_t Races::initials(uint32_t first, uint32_t end) const {
  Sequence steps;
  for (uint32_t at = first + 1; at < end; ++at) {
    if (can_precede(first, at)) steps.append(*this, at);
  }
  return steps.initials();
}

uint64_t Races::initials_for(uint32_t first, uint32_t step) const {
  Sequence steps;
  for (uint32_t at = first + 1; at <= step; ++at) {
    if (can_precede(first, at) && order_.before(log_, at, step)) steps.append(*this, at);
  }
  return steps.initials();
}

bool Races::begins(uint32_t first, uint32_t second) const {
  for (uint32_t at = first + 1; at < second; ++at) {
    if (can_precede(first, at) && order_.before(log_, at, second)) return false;
  }
  return true;
}

bool Races::sees_write(uint32_t first, uint32_t second) const {
  for (const AccessLog::Entry& theirs : log_.entries(log_.step(first))) {
    if (is_read(theirs.access.kind)) continue;
    for (const AccessLog::Entry& mine : log_.entries(log_.step(second))) {
      if (conflicts(theirs.access, mine.access)) return true;
    }
  }
  return false;
}

std::span<const uint32_t> Races::held() {
  locks_.clear();
  for (uint32_t at = 0; at < log_.steps(); ++at) {
    for (const AccessLog::Entry& entry : log_.entries(log_.step(at))) {
      if (is_locking(entry.access.kind)) locks_.push_back({at, entry.slot});
      if (is_unlocking(entry.access.kind) && !locks_again(entry)) release({at, entry.slot});
    }
  }
  found_.clear();
  for (const Lock& lock : locks_) found_.push_back(lock.step);
  return found_;
}

// Does the same step lock it again, so that nobody else could?
bool Races::locks_again(const AccessLog::Entry& unlocking) const {
  const auto entries = log_.entries(log_.step(unlocking.step));
  return std::any_of(&unlocking + 1, entries.data() + entries.size(), [&](const AccessLog::Entry& entry) {
    return entry.slot == unlocking.slot && is_locking(entry.access.kind);
  });
}

void Races::release(const Lock& unlocked) {
  const auto lock = std::find_if(locks_.rbegin(), locks_.rend(), [&](const Lock& held) {
    return held.slot == unlocked.slot && log_.lane(held.step) == log_.lane(unlocked.step);
  });
  if (lock != locks_.rend()) locks_.erase(std::next(lock).base());
}

}  // namespace xensim::sim
