#include "sim/machine/plain_turns.h"

#include <utility>

namespace xensim::sim {

Actor* PlainTurns::next_vcpu(const Actors& actors) {
  for (size_t tried = 0; tried < actors.size(); ++tried) {
    turn_ = (turn_ + 1) % actors.size();
    Actor& actor = actors[turn_];
    if (actor.info.kind == ActorKind::kVcpu && actor.can_run()) return &actor;
  }
  return nullptr;
}

const ConsoleInput* PlainTurns::next_input(const std::vector<ConsoleInput>& recorded) {
  if (recorded_input_ >= recorded.size() || recorded[recorded_input_].turn != turns_) return nullptr;
  return &recorded[recorded_input_++];
}

Actor* PlainTurns::take_processor(Actor& next) {
  Actor* const before = std::exchange(on_processor_, &next);
  if (before == nullptr || before == &next || !before->can_run() || before->in_entry) return nullptr;
  return before;
}

bool PlainTurns::see_line(const SnapshotPoint& wanted, std::string_view line) {
  if (saved_ || wanted.at || !wanted.at_line(line)) return false;
  line_seen_ = true;
  return true;
}

void PlainTurns::fields(StateArchive& ar, const Actors& actors, size_t inputs) {
  ar("turns", turns_);
  ar.below("turn", turn_, actors.size());
  ar("idle_yields", idle_yields_);
  ar.below("recorded_input", recorded_input_, inputs + 1);
}

}  // namespace xensim::sim
