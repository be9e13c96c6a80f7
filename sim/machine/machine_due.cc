// What falls due: timers, events from outside and input are taken off the queue, and the two actors of the machine's
// own bring them to the core.
#include <utility>

#include "sim/machine/machine.h"

namespace xensim::sim {

void Machine::take_due() {
  while (const auto due = events_due_.pop_due(time())) {
    idle_yields_ = 0;
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

}  // namespace xensim::sim
