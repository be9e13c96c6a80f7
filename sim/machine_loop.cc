// The machine's scheduler: who runs next, what is due, and what it means when nobody can run.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "sim/boot/shell_prompt.h"
#include "sim/machine.h"

namespace xensim::sim {

bool Machine::decide(const PointKey& key) {
  ++outcome_.points;
  advance_time(scenario_.clock.ns_per_point);
  if (context_.time >= events_due_.next()) take_due();
  if (outcome_.points >= point_limit_) [[unlikely]] {
    if (fair_) {
      next_ = 0;
      return true;
    }
    fair_ = true;
    point_limit_ += options_.max_points;
  }
  if (fair_) {
    next_ = next_runnable(runnable_, current_->id);
    return next_ != current_->id;
  }
  Choice choice{outcome_.points, context_.time, current_->id, runnable_, key, 0};
  if (counts_occurrences_) choice.occurrence = ++occurrences_[{current_->id, point_name(key)}];
  next_ = strategy_->choose(choice);
  return next_ != current_->id;
}

void Machine::cut(const PointKey& key) {
  Actor& self = *current_;
  self.at = key.op;
  // Whoever lets this fiber go on has made it current again.
  if (!can_follow_at_once(key)) return self.fiber->yield();
  Actor& next = *actors_[next_];
  become(next);
  self.fiber->switch_to(*next.fiber);
}

// Would the main loop do nothing but resume the vCPU that was chosen? On its way there and back a processor predicts
// each return wrongly, for it was called from another stack: that takes longer than all else at a point.
bool Machine::can_follow_at_once(const PointKey& key) const {
  if (!fibers_follow_ || !cutting_ || finished_ || fair_ || any_resetting_) return false;
  if (key.op == PointOp::kBlocked || ((runnable_ >> next_) & 1) == 0) return false;
  const Actor& next = *actors_[next_];
  return current_->info.kind == ActorKind::kVcpu && next.info.kind == ActorKind::kVcpu && &next != current_ &&
         !next.fiber->done();
}

void Machine::refresh(Actor& actor) {
  if (actor.id >= kMaxActors) return;
  const uint64_t bit = uint64_t{1} << actor.id;
  if (actor.can_run()) {
    runnable_ |= bit;
  } else {
    runnable_ &= ~bit;
  }
}

void Machine::take_due() {
  while (const auto due = events_due_.pop_due(time())) {
    switch (due->kind) {
      case DueKind::kXenTimer:
        due_timers_.push_back(due->timer);
        timers_->core_runnable = true;
        refresh(*timers_);
        break;
      case DueKind::kExternal:
        due_external_.push_back(due->external);
        outside_->core_runnable = true;
        refresh(*outside_);
        break;
      case DueKind::kInput: apply_input(scenario_.inputs[due->external]); break;
      case DueKind::kApicTimer: apic_timer_due(due->timer.vcpu); break;
      case DueKind::kDevice: device_timer_due(due->timer.vcpu.dom, due->external); break;
    }
  }
}

void Machine::timer_work() {
  while (!due_timers_.empty()) {
    const xen::TimerId id = due_timers_.front();
    due_timers_.erase(due_timers_.begin());
    if (domain_of(id.vcpu.dom).ended) continue;
    api_->timer_expired(id);
  }
}

void Machine::outside_work() {
  while (!due_external_.empty()) {
    const ExternalEvent event = scenario_.events[due_external_.front()];
    due_external_.erase(due_external_.begin());
    if (domain_of(event.dom).ended) continue;
    api_->external_event(event.dom, event.port);
  }
  while (!due_outside_.empty()) {
    const auto [dom, port] = due_outside_.front();
    due_outside_.erase(due_outside_.begin());
    if (domain_of(dom).ended) continue;
    if (serve_outside(dom, port)) due_notices_.emplace_back(dom, port);
  }
  while (!due_notices_.empty()) {
    const auto [dom, port] = due_notices_.front();
    due_notices_.erase(due_notices_.begin());
    if (!domain_of(dom).ended) api_->external_event(dom, port);
  }
}

void Machine::notify_from_outside(DomId dom, Port port) {
  due_notices_.emplace_back(dom, port);
  outside_->core_runnable = true;
  refresh(*outside_);
}

void Machine::work_entry(void* pointer) {
  auto& machine = *static_cast<Machine*>(pointer);
  Actor& self = *machine.current_;
  self.in_entry = true;
  if (&self == machine.timers_) {
    machine.timer_work();
  } else {
    machine.outside_work();
  }
  self.in_entry = false;
  self.core_runnable = false;
  machine.refresh(self);
}

void Machine::run_work(Actor& actor) {
  if (actor.fiber->done()) actor.fiber->start(&Machine::work_entry, this);
  cutting_ = exploring();
  actor.fiber->resume();
  cutting_ = false;
  if (actor.fiber->done()) actor.at = PointOp::kDone;
}

void Machine::become(Actor& actor) {
  context_.actor = 0;  // the decision is the machine's
  if (current_ != &actor) {
    if (writer_ && exploring())
      writer_->write(traces::Decision{current_ != nullptr ? current_->id : ActorId{0}, actor.id});
    ++outcome_.switches;
  }
  current_ = &actor;
  context_.actor = actor.id;
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

void Machine::apply_input(const ConsoleInput& input) {
  Domain& domain = domain_of(input.dom);
  if (domain.ended) return;
  if (writer_) writer_->write(traces::Input{domain.id, input.turn, std::as_bytes(std::span(input.text))});
  take_input(domain, input.text);
}

// What was typed since the last turn; or, when a trace is run again, what was typed in this one then.
void Machine::take_typed() {
  const auto& recorded = scenario_.recorded_inputs;
  while (recorded_input_ < recorded.size() && recorded[recorded_input_].turn == turns_) {
    apply_input(recorded[recorded_input_++]);
  }
  if (options_.input == nullptr) return;
  const std::string text = options_.input->poll();
  if (!text.empty()) apply_input({VirtualNs{0}, domains_.front().id, text, turns_});
  if (options_.input->quit()) finished_ = true;
}

// All vCPUs wait: so may we, for as long as nothing is due. false: nothing can come any more.
bool Machine::wait_for_input() {
  if (options_.input == nullptr || options_.input->closed()) return recorded_input_ < scenario_.recorded_inputs.size();
  const VirtualNs due = events_due_.empty() ? VirtualNs{scenario_.time_limit.v} : events_due_.next();
  options_.input->wait(due.v - std::min(due.v, context_.time.v));
  return true;
}

void Machine::plain_loop() {
  while (!finished_) {
    if (options_.snapshot && snapshot_is_due()) [[unlikely]] {
      take_snapshot();
      continue;
    }
    ++turns_;
    take_typed();
    if (any_resetting_) [[unlikely]]
      soft_reset_paused();
    if (context_.time >= events_due_.next()) take_due();
    while (timers_->core_runnable || outside_->core_runnable) {
      if (timers_->core_runnable) run_actor(*timers_);
      if (outside_->core_runnable) run_actor(*outside_);
    }
    if (finished_ || all_ended()) break;
    if (context_.time > scenario_.time_limit) {
      fail(FailureKind::kNoProgress, fmt::format("no end within the time limit of {} ns", scenario_.time_limit.v),
           current_ != nullptr ? current_->label : "", current_ != nullptr ? vcpu_report(*current_) : "");
      return;
    }
    size_t tried = 0;
    while (tried < actors_.size()) {
      turn_ = (turn_ + 1) % actors_.size();
      if (actors_[turn_]->info.kind == ActorKind::kVcpu && actors_[turn_]->can_run()) break;
      ++tried;
    }
    if (tried == actors_.size()) {
      if (options_.snapshot && !saved_ && !options_.snapshot->at && at_shell_prompt(domains_.front().partial_line)) {
        prompt_seen_ = true;
        continue;
      }
      const bool waited = wait_for_input();
      if (!idle() && !waited) return nothing_to_run();
      continue;
    }
    if (scenario_.clock.steal) account_steal(*actors_[turn_]);
    run_actor(*actors_[turn_]);
  }
}

// All vCPUs share one processor: who has to wait for it while it could run has that time stolen.
void Machine::account_steal(Actor& next) {
  Actor* const before = std::exchange(on_processor_, &next);
  if (before == nullptr || before == &next || !before->can_run() || before->in_entry) return;
  preempt(*before);
}

void Machine::drive_owner(xen::LockState& lock) {
  uint32_t holder = lock.word.load(std::memory_order_relaxed) - 1;
  if ((lock.word.load(std::memory_order_relaxed) & kSharedLock) != 0) {
    const auto held = std::find_if(shared_holders_.begin(), shared_holders_.end(),
                                   [&](const auto& each) { return each.first == &lock; });
    XS_CHECK(held != shared_holders_.end());
    holder = held->second;
  }
  XS_CHECK(holder < actors_.size());
  Actor& owner = *actors_[holder];
  XS_CHECK_MSG(!owner.fiber->done(), fmt::format("{} holds {} and is gone", owner.label, xen::site_name(lock.site)));
  xen::LockState* outer = std::exchange(drive_until_free_, &lock);
  as_actor(owner, [&] { owner.fiber->resume(); });
  drive_until_free_ = outer;
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
