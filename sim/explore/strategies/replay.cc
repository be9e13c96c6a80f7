// Schedules taken and noted.
#include <algorithm>

#include "sim/explore/strategies/strategies.h"

namespace xensim::sim {

namespace {

constexpr unsigned kNobody = ~0u;

unsigned actor_number(const std::vector<std::string>& labels, const std::string& label) {
  const auto found = std::find(labels.begin(), labels.end(), label);
  return found == labels.end() ? kNobody : static_cast<unsigned>(found - labels.begin());
}

}  // namespace

ReplayStrategy::ReplayStrategy(std::vector<Decision> decisions, std::vector<std::string> labels)
    : labels_(std::move(labels)) {
  for (Decision& decision : decisions) steps_.push_back({std::move(decision), false});
}

unsigned ReplayStrategy::choose(const Choice& choice) {
  const std::string& actor = labels_[choice.current];
  for (Step& step : steps_) {
    if (step.taken || step.decision.occurrence != choice.occurrence || step.decision.actor != actor) continue;
    if (step.decision.point != point_name(choice.key)) continue;
    step.taken = true;
    const unsigned to = actor_number(labels_, step.decision.to);
    if (to == kNobody || ((choice.runnable >> to) & 1) == 0) break;  // as in a shrunk schedule: it is not to be had now
    used_.push_back({step.decision, choice.time});
    return to;
  }
  return default_choice(choice);
}

unsigned NotingStrategy::choose(const Choice& choice) {
  const unsigned chosen = inner_.choose(choice);
  if (chosen != default_choice(choice)) {
    decisions_.push_back({labels_[choice.current], point_name(choice.key), choice.occurrence, labels_[chosen]});
  }
  return chosen;
}

}  // namespace xensim::sim
