#include "sim/explore/search/await_filter.h"

#include <algorithm>
#include <bit>

namespace xensim::sim {

void AwaitFilter::step_ended(std::span<const ObjectAccess> footprint) {
  if (running_ == kStopRun) return;
  for (const ObjectAccess& access : footprint) {
    if (access.object == 0) continue;
    if (is_read(access.kind)) {
      seen_[running_].push_back(access);
      continue;
    }
    wrote_ |= lane_bit(running_);
    for (uint64_t rest = waiting_; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(rest));
      const auto& seen = seen_[lane];
      if (std::any_of(seen.begin(), seen.end(), [&](const ObjectAccess& read) { return conflicts(read, access); }))
        waiting_ &= ~lane_bit(lane);
    }
  }
}

// A round in which it has written, or read nothing that it shares by a name, may matter.
bool AwaitFilter::only_looked(unsigned lane) const {
  if ((wrote_ & lane_bit(lane)) != 0) return false;
  return std::any_of(seen_[lane].begin(), seen_[lane].end(), [](const ObjectAccess& read) {
    return space_of(read) == ObjectSpace::kMemory || space_of(read) == ObjectSpace::kShared;
  });
}

unsigned AwaitFilter::choose(const Choice& choice) {
  step_ended(choice.footprint);
  if (choice.key.gives_way()) {
    at_pause_ |= lane_bit(choice.current);
    if (only_looked(choice.current)) waiting_ |= lane_bit(choice.current);
  }
  const uint64_t fresh = choice.runnable & ~waiting_;
  Choice filtered = choice;
  if (fresh != 0) filtered.runnable = fresh;
  running_ = inner_.choose(filtered);
  if (running_ == kStopRun || (at_pause_ & lane_bit(running_)) == 0) return running_;
  // It begins another round.
  seen_[running_].clear();
  for (uint64_t* lanes : {&waiting_, &wrote_, &at_pause_}) *lanes &= ~lane_bit(running_);
  return running_;
}

void AwaitFilter::run_ended(std::span<const ObjectAccess> footprint) {
  inner_.run_ended(footprint);
  running_ = kStopRun;
  waiting_ = wrote_ = at_pause_ = 0;
  for (auto& seen : seen_) seen.clear();
}

}  // namespace xensim::sim
