// The machine's loop: which lane runs next in an exploration, what it means when nobody can run, and how a run ends.
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

// The lane that ran cannot go on, or has nothing more to do: the strategy chooses anew. false: nothing can go on.
bool Machine::choose_anew(PointOp at) {
  if (runnable_lanes() == 0) return false;
  decide_anew({at == PointOp::kDone ? at : PointOp::kBlocked, 0, nullptr});
  return true;
}

void Machine::explore_loop() {
  current_ = &actors_[0];
  current_->at = PointOp::kDone;
  exploration_.begin();
  while (!finished_) {
    if (soft_resets_.any()) [[unlikely]]
      finish_soft_resets();
    const unsigned next = exploration_.next();
    const bool can = decided_ && next != kStopRun && ((runnable_lanes() >> next) & 1) != 0;
    if (!can && !choose_anew(current_->at)) return nothing_to_run();
    if (exploration_.spent(outcome_.points)) {
      fail(FailureKind::kNoProgress,
           fmt::format("a fair schedule brings no end within {} scheduling points", options_.max_points),
           current_->label);
      return;
    }
    if (exploration_.next() == kStopRun) {
      if (!finished_) outcome_.stopped = finished_ = true;
      return;
    }
    run_lane(exploration_.next());
    if (context_.time >= due_.next()) take_due();
  }
}

void Machine::run_lane(unsigned lane) {
  if (lane != kClockLane) return run_actor(actors_[actor_of_lane(lane)]);
  decided_ = false;
  current_ = &actors_[0];
  current_->at = PointOp::kDone;
  advance_clock();
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
