// See event_queue.h.
#include "sim/machine/event_queue.h"

namespace xensim::sim {

void EventQueue::arm(const DueId& id, VirtualNs at) {
  cancel(id);
  const Key key{at.v, sequence_++};
  by_time_.emplace(key, id);
  by_id_.emplace(id, key);
  update_next();
}

void EventQueue::cancel(const DueId& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  by_time_.erase(found->second);
  by_id_.erase(found);
  update_next();
}

std::optional<DueId> EventQueue::pop_due(VirtualNs now) {
  if (by_time_.empty() || by_time_.begin()->first.at > now.v) return std::nullopt;
  const DueId id = by_time_.begin()->second;
  by_id_.erase(id);
  by_time_.erase(by_time_.begin());
  update_next();
  return id;
}

std::vector<std::pair<DueId, VirtualNs>> EventQueue::all() const {
  std::vector<std::pair<DueId, VirtualNs>> all;
  for (const auto& [key, id] : by_time_) all.emplace_back(id, VirtualNs{key.at});
  return all;
}

void EventQueue::clear() {
  by_time_.clear();
  by_id_.clear();
  sequence_ = 0;
  update_next();
}

void EventQueue::update_next() { next_ = VirtualNs{by_time_.empty() ? ~uint64_t{0} : by_time_.begin()->first.at}; }

}  // namespace xensim::sim
