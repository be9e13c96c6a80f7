// A plain run: the vCPUs take turns, and what is typed comes in between.
#include <fmt/format.h>

#include <algorithm>

#include "sim/machine/machine.h"

namespace xensim::sim {

void Machine::apply_input(const ConsoleInput& input) {
  Domain& domain = domain_of(input.dom);
  if (domain.ended) return;
  if (writer_) writer_->write(traces::Input{domain.id, input.turn, std::as_bytes(std::span(input.text))});
  backend_.take_input(domain, input.text);
}

// What was typed since the last turn; or, when a trace is run again, what was typed in this one then.
void Machine::take_typed() {
  while (const ConsoleInput* const input = plain_.next_input(scenario_.recorded_inputs)) apply_input(*input);
  if (options_.input == nullptr) return;
  const std::string text = options_.input->poll();
  if (!text.empty()) apply_input({VirtualNs{0}, domains_.front().id, text, plain_.turns()});
  if (options_.input->quit()) finished_ = true;
}

// All vCPUs wait: so may we, for as long as nothing is due. false: nothing can come any more.
bool Machine::wait_for_input() {
  if (options_.input == nullptr || options_.input->closed()) return plain_.has_input_left(scenario_.recorded_inputs);
  const VirtualNs due = due_.anything_later() ? due_.next() : VirtualNs{scenario_.time_limit.v};
  const uint64_t virtual_ns = due.v - std::min(due.v, context_.time.v);
  options_.input->wait(options_.wall == nullptr ? virtual_ns : std::min(virtual_ns, options_.wall->ns_left()));
  return true;
}

void Machine::plain_loop() {
  while (!finished_) {
    if (options_.snapshot && plain_.snapshot_is_due(*options_.snapshot, context_.time)) [[unlikely]] {
      take_snapshot();
      continue;
    }
    plain_.begin_turn();
    take_typed();
    if (soft_resets_.any()) [[unlikely]]
      finish_soft_resets();
    if (context_.time >= due_.next()) take_due();
    while (due_.has_work()) {
      if (due_.timers().core_runnable) run_actor(due_.timers());
      if (due_.outside().core_runnable) run_actor(due_.outside());
    }
    if (finished_ || all_ended()) break;
    if (out_of_wall_time()) return;
    if (context_.time > scenario_.time_limit) {
      fail(FailureKind::kNoProgress, fmt::format("no end within the time limit of {} ns", scenario_.time_limit.v),
           current_ != nullptr ? current_->label : "", current_ != nullptr ? backend_.vcpu_report(*current_) : "");
      return;
    }
    Actor* const next = plain_.next_vcpu(actors_);
    if (next == nullptr) {
      if (options_.snapshot && plain_.see_line(*options_.snapshot, consoles_.partial(domains_.front().id))) continue;
      const bool waited = wait_for_input();
      if (!idle() && !waited) return nothing_to_run();
      continue;
    }
    if (scenario_.clock.steal) {
      if (Actor* const before = plain_.take_processor(*next)) backend_.preempt(*before);
    }
    run_actor(*next);
  }
}

}  // namespace xensim::sim
