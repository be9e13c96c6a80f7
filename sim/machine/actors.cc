#include "sim/machine/actors.h"

#include <algorithm>
#include <utility>

#include "models/base/check.h"

namespace xensim::sim {

Actor& Actors::add(ActorInfo info, std::string label) {
  auto actor = std::make_unique<Actor>();
  actor->id = static_cast<ActorId>(all_.size());
  actor->info = std::move(info);
  actor->label = std::move(label);
  all_.push_back(std::move(actor));
  return *all_.back();
}

void Actors::reset() {
  runnable_ = 0;
  for (const auto& actor : all_) {
    actor->core_runnable = actor->in_entry = actor->ended = actor->paused = actor->takes_interrupt = false;
    actor->waiting = actor->wants = nullptr;
    actor->at = PointOp::kGuest;
    if (actor->fiber) actor->fiber->abandon();
  }
}

bool Actors::anyone_inside() const {
  return std::any_of(all_.begin(), all_.end(), [](const auto& actor) { return actor->in_entry; });
}

void Actors::field(StateArchive& ar, const char* name, Actor*& actor) const {
  uint32_t id = actor == nullptr ? 0 : actor->id + 1u;
  ar.below(name, id, all_.size() + 1);
  if (ar.loading() && ar.ok()) actor = id == 0 ? nullptr : all_[id - 1].get();
}

void Actors::fields(StateArchive& ar) {
  for (size_t i = 0; i < all_.size() && ar.ok(); ++i) {
    Actor& actor = *all_[i];
    XS_CHECK(!actor.in_entry && actor.waiting == nullptr);
    ar.open("actor", i);
    ar("core_runnable", actor.core_runnable);
    ar("ended", actor.ended);
    ar("paused", actor.paused);
    ar.close();
  }
}

}  // namespace xensim::sim
