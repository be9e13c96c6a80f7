// Depth-first search under a bound, cut where a prefix with the same happens-before graph was.
#include "sim/explore/search/bounded.h"

#include <bit>

namespace xensim::sim {

unsigned preemptions_of(const Choice& choice, unsigned lane) {
  if (!choice.current_runnable() || choice.key.gives_way()) return 0;
  return lane == default_choice(choice) ? 0 : 1;
}

uint64_t affordable(const Choice& choice, uint64_t among, unsigned left) {
  if (left > 0 || !choice.current_runnable() || choice.key.gives_way()) return among;
  return among & lane_bit(default_choice(choice));
}

unsigned BoundedSearch::explore(const Choice& choice, uint64_t allowed) {
  const unsigned budget = nodes_.empty() ? options_.preemptions : [this] {
    const Node& node = nodes_.back();
    return node.budget - ((node.free & lane_bit(node.lane)) != 0 ? 0 : 1);
  }();
  const uint64_t lanes = affordable(choice, allowed, budget);
  if (lanes == 0 || (options_.cache && known(choice, budget))) return stop_run(Stop::kCut);
  const unsigned usual = default_choice(choice);
  const unsigned lane = (lanes & lane_bit(usual)) != 0 ? usual : static_cast<unsigned>(std::countr_zero(lanes));
  nodes_.push_back({lanes & ~lane_bit(lane), affordable(choice, choice.runnable, 0), budget, lane});
  return lane;
}

std::optional<Search::Turn> BoundedSearch::backtrack() {
  while (nodes_.size() > fixed_depth() && nodes_.back().left == 0) nodes_.pop_back();
  if (nodes_.size() <= fixed_depth()) return std::nullopt;
  Node& node = nodes_.back();
  node.lane = static_cast<unsigned>(std::countr_zero(node.left));
  node.left &= node.left - 1;
  const size_t depth = nodes_.size() - 1;
  if (options_.cache) {
    digests_.resize(depth);
    prefixes_.resize(depth);
  }
  return Turn{depth, node.lane};
}

void BoundedSearch::step_ended() {
  if (!options_.cache) return;
  const Digest digest = step_digest(log().step(log().steps() - 1));
  Digest prefix = prefixes_.empty() ? Digest{} : prefixes_.back();
  prefix.add(digest);
  digests_.push_back(digest);
  prefixes_.push_back(prefix);
}

Digest BoundedSearch::step_digest(const AccessLog::Step& step) const {
  Digest digest;
  digest.absorb(uint64_t{step.lane} << 32 | step.number);
  if (step.previous != AccessLog::kNone) digest.absorb(digests_[step.previous]);
  Digest before{0, 0};
  if (step.enabler != AccessLog::kNone) before.add(digests_[step.enabler]);
  for (const AccessLog::Entry& entry : log().entries(step)) {
    digest.absorb(entry.access.object);
    digest.absorb(entry.access.mask);
    digest.absorb(static_cast<uint64_t>(entry.access.kind));
    log().visit_conflicts(entry, [&](const AccessLog::Entry& other) {
      before.add(digests_[other.step]);
      return true;
    });
  }
  if (!has(ReducerDefect::kHashWithoutConflicts)) digest.absorb(before);
  return digest;
}

bool BoundedSearch::known(const Choice& choice, unsigned budget) {
  Digest place = prefixes_.empty() ? Digest{} : prefixes_.back();
  place.absorb(choice.runnable);
  const uint64_t current = uint64_t{choice.current} << 8 | static_cast<uint64_t>(choice.key.op);
  if (!has(ReducerDefect::kLaneNotInKey)) place.absorb(current);
  return reached_.known(place, has(ReducerDefect::kBudgetNotInKey) ? 0 : budget);
}

}  // namespace xensim::sim
