// A plain run: the vCPUs take turns, and what is typed comes in between.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/machine/machine.h"

namespace xensim::sim {

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
  const uint64_t virtual_ns = due.v - std::min(due.v, context_.time.v);
  options_.input->wait(options_.wall == nullptr ? virtual_ns : std::min(virtual_ns, options_.wall->ns_left()));
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
    if (out_of_wall_time()) return;
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
      const auto& wanted = options_.snapshot;
      if (wanted && !saved_ && !wanted->at && wanted->at_line(domains_.front().partial_line)) {
        line_seen_ = true;
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

}  // namespace xensim::sim
