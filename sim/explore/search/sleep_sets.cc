// A sleeper stays asleep as long as nothing conflicts with its step.
#include "sim/explore/search/sleep_sets.h"

namespace xensim::sim {

uint64_t SleepSets::push(const AccessLog& log, uint64_t now) {
  const AccessLog::Step& step = log.step(log.steps() - 1);
  const uint64_t disabled = step.runnable & ~now;
  const size_t from = levels_.back().sleepers;
  levels_.push_back(end());
  const size_t to = sleepers_.size();
  uint64_t asleep = 0;
  for (size_t i = from; i < to; ++i) {
    const Sleeper sleeper = sleepers_[i];
    const bool woken = (disabled & lane_bit(sleeper.lane)) != 0 || wakes(log, step, sleeper);
    if (woken && defect_ != ReducerDefect::kSleepNeverWoken) continue;
    sleepers_.push_back(sleeper);
    asleep |= lane_bit(sleeper.lane);
  }
  return asleep;
}

void SleepSets::pop() {
  sleepers_.resize(levels_.back().sleepers);
  accesses_.resize(levels_.back().accesses);
  levels_.pop_back();
}

void SleepSets::put_to_sleep(const AccessLog& log, const AccessLog::Step& step) {
  const auto begin = static_cast<uint32_t>(accesses_.size());
  for (const AccessLog::Entry& entry : log.entries(step)) accesses_.push_back(entry.access);
  sleepers_.push_back({step.lane, begin, static_cast<uint32_t>(accesses_.size())});
}

bool SleepSets::wakes(const AccessLog& log, size_t level, unsigned lane, const AccessLog::Step& step) const {
  const size_t end = level + 1 < levels_.size() ? levels_[level + 1].sleepers : sleepers_.size();
  for (size_t i = levels_[level].sleepers; i < end; ++i) {
    if (sleepers_[i].lane == lane) return wakes(log, step, sleepers_[i]);
  }
  return true;
}

bool SleepSets::wakes(const AccessLog& log, const AccessLog::Step& step, const Sleeper& sleeper) const {
  for (const AccessLog::Entry& entry : log.entries(step)) {
    if (defect_ == ReducerDefect::kSleepWokenByWrite && is_read(entry.access.kind)) continue;
    for (uint32_t i = sleeper.begin; i < sleeper.end; ++i) {
      if (log.conflict(entry.access, accesses_[i])) return true;
    }
  }
  return false;
}

}  // namespace xensim::sim
