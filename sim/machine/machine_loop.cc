// The machine's loop: who runs next in an exploration, what it means when nobody can run, and how a run ends.
#include <fmt/format.h>

#include <utility>

#include "sim/machine/machine.h"

namespace xensim::sim {

void Machine::refresh(Actor& actor) {
  if (actor.id >= kMaxActors) return;
  const uint64_t bit = uint64_t{1} << actor.id;
  if (actor.can_run()) {
    runnable_ |= bit;
  } else {
    runnable_ &= ~bit;
  }
}

void Machine::run_actor(Actor& actor) {
  become(actor);
  if (actor.info.kind == ActorKind::kVcpu) {
    run_vcpu(actor);
  } else {
    run_work(actor);
  }
  context_.actor = 0;
  if (options_.checks || scenario_.checks) check_invariants(false);
  if (options_.round_trip_every != 0 && ++actor_runs_ % options_.round_trip_every == 0) round_trip_core();
}

bool Machine::idle() {
  if (events_due_.empty()) return false;
  const VirtualNs due = events_due_.next();
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
  if (!events_due_.empty()) {
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
  next_ = default_choice({0, {}, 0, runnable_, kNowhere, 0});
  const PointKey blocked{PointOp::kBlocked, 0, nullptr};
  while (!finished_) {
    if (any_resetting_) [[unlikely]]
      soft_reset_paused();
    if (runnable_ == 0) {
      if (!idle()) return nothing_to_run();
      continue;
    }
    if (((runnable_ >> next_) & 1) == 0) {
      // The actor that ran can not go on, or the chosen one was stopped meanwhile: the strategy chooses anew.
      const bool known = current_ != nullptr;
      Choice choice{outcome_.points, context_.time, known ? current_->id : 0u, runnable_, blocked, 0};
      if (counts_occurrences_ && known) choice.occurrence = ++occurrences_[{current_->id, "blocked"}];
      next_ = fair_ ? next_runnable(runnable_, choice.current) : strategy_->choose(choice);
    }
    if (outcome_.points >= point_limit_ && fair_) {
      fail(FailureKind::kNoProgress,
           fmt::format("a fair schedule brings no end within {} scheduling points", options_.max_points),
           actors_[next_]->label);
      return;
    }
    run_actor(*actors_[next_]);
    if (context_.time >= events_due_.next()) take_due();
    if (current_->can_run() && next_ == current_->id && current_->at == PointOp::kBlocked) {
      next_ = next_runnable(runnable_, current_->id);
    }
  }
}

// At the end nobody may be left half-way inside the core: what stands on their stacks would never be freed.
void Machine::drain() {
  for (const auto& actor : actors_) finish(*actor);
}

void Machine::finish(Actor& actor) {
  if (!actor.in_entry || actor.fiber->done()) return;
  if (std::exchange(actor.waiting, nullptr) != nullptr) --waiters_;
  as_actor(actor, [&] {
    if (actor.info.kind == ActorKind::kVcpu) {
      finish_entry(actor);
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
