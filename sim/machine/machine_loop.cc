// The machine's loop: who runs next in an exploration, what it means when nobody can run, and how a run ends.
#include <fmt/format.h>

#include "sim/machine/machine.h"

namespace xensim::sim {

void Machine::run_actor(Actor& actor) {
  become(actor);
  if (actor.info.kind == ActorKind::kVcpu) {
    backend_.run_vcpu(actor);
  } else {
    run_work(actor);
  }
  context_.actor = 0;
  if (options_.checks || scenario_.checks) check_invariants(false);
  if (options_.round_trip_every != 0 && ++actor_runs_ % options_.round_trip_every == 0) round_trip_core();
}

bool Machine::idle() {
  if (!due_.anything_later()) return false;
  const VirtualNs due = due_.next();
  if (due > scenario_.time_limit) return false;
  if (due > context_.time) context_.time = due;
  take_due();
  return true;
}

void Machine::nothing_to_run() {
  finished_ = true;
  if (all_ended()) return;
  const auto lost = core_.inspector->lost_events();
  if (!lost.empty()) {
    const auto& first = lost.front();
    fail(FailureKind::kLostEvent,
         fmt::format("d{}v{}: event on port {} is lost: {}", first.vcpu.dom.v, first.vcpu.vcpu.v, first.port.v,
                     first.why),
         fmt::format("d{}v{} port {}", first.vcpu.dom.v, first.vcpu.vcpu.v, first.port.v));
    return;
  }
  if (due_.anything_later()) {
    fail(FailureKind::kNoProgress,
         fmt::format("no end within the time limit of {} ns: all vCPUs wait for later", scenario_.time_limit.v), "");
    return;
  }
  std::string who;
  for (const auto& actor : actors_) {
    if (actor->info.kind == ActorKind::kVcpu && !actor->ended) who += " " + actor->label;
  }
  fail(FailureKind::kDeadlock, "all vCPUs are blocked and nothing is due:" + who, who.empty() ? "" : who.substr(1));
}

void Machine::explore_loop() {
  current_ = nullptr;
  exploration_.set_next(default_choice({0, {}, 0, actors_.runnable(), kNowhere, 0}));
  const PointKey blocked{PointOp::kBlocked, 0, nullptr};
  while (!finished_) {
    if (soft_resets_.any()) [[unlikely]]
      finish_soft_resets();
    if (actors_.runnable() == 0) {
      if (!idle()) return nothing_to_run();
      continue;
    }
    if (!actors_.is_runnable(exploration_.next())) {
      // The actor that ran can not go on, or the chosen one was stopped meanwhile: the strategy chooses anew.
      const bool known = current_ != nullptr;
      exploration_.decide_blocked(
          {outcome_.points, context_.time, known ? current_->id : 0u, actors_.runnable(), blocked, 0}, known);
    }
    if (exploration_.spent(outcome_.points)) {
      fail(FailureKind::kNoProgress,
           fmt::format("a fair schedule brings no end within {} scheduling points", options_.max_points),
           actors_[exploration_.next()].label);
      return;
    }
    run_actor(actors_[exploration_.next()]);
    if (context_.time >= due_.next()) take_due();
    if (current_->can_run() && exploration_.next() == current_->id && current_->at == PointOp::kBlocked) {
      exploration_.set_next(next_runnable(actors_.runnable(), current_->id));
    }
  }
}

// At the end nobody may be left half-way inside the core: what stands on their stacks would never be freed.
void Machine::drain() {
  for (const auto& actor : actors_) finish(*actor);
}

void Machine::finish(Actor& actor) {
  if (!actor.in_entry || actor.fiber->done()) return;
  locks_.stop_waiting(actor);
  as_actor(actor, [&] {
    if (actor.info.kind == ActorKind::kVcpu) {
      backend_.finish_entry(actor);
    } else {
      actor.fiber->resume();
    }
  });
}

// As drain, where the core may be in any state: what fails now only follows from the first failure.
void Machine::drain_after_failure() noexcept {
  cutting_ = false;
  for (const auto& actor : actors_) {
    try {
      finish(*actor);
    } catch (const std::exception&) {
    }
  }
}

}  // namespace xensim::sim
