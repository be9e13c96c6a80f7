// What falls due: timers, events from outside and input are taken off the queue, and the two actors of the machine's
// own bring them to the core.
#include "sim/machine/machine.h"

namespace xensim::sim {

void Machine::take_due() {
  while (const auto due = due_.take(time())) {
    plain_.end_idle_yields();
    switch (due->kind) {
      case DueKind::kXenTimer:
      case DueKind::kExternal: break;  // work for an actor
      case DueKind::kInput: apply_input(scenario_.inputs[due->external]); break;
      case DueKind::kApicTimer: backend_.apic_timer_due(due->timer.vcpu); break;
      case DueKind::kDevice: backend_.device_timer_due(due->timer.vcpu.dom, due->external); break;
    }
  }
}

void Machine::timer_work() {
  while (const auto id = due_.next_timer()) {
    if (exploring()) touch(vcpu_access(id->vcpu, ObjectSpace::kTimer, AccessKind::kWrite));
    if (!domain_of(id->vcpu.dom).ended) api_->timer_expired(*id);
  }
}

void Machine::outside_work() {
  if (exploring()) touch({object_of(ObjectSpace::kOutside, 0), kWholeObject, AccessKind::kWrite});
  while (const auto index = due_.next_external()) {
    const ExternalEvent event = scenario_.events[*index];
    if (!domain_of(event.dom).ended) api_->external_event(event.dom, event.port);
  }
  while (const auto notified = due_.next_notified()) {
    const auto [dom, port] = *notified;
    if (!domain_of(dom).ended && backend_.serve_outside(dom, port)) due_.add_notice(*notified);
  }
  while (const auto notice = due_.next_notice()) {
    const auto [dom, port] = *notice;
    if (!domain_of(dom).ended) api_->external_event(dom, port);
  }
}

void Machine::notify_from_outside(DomId dom, Port port) { due_.notify_guest(dom, port); }

void Machine::work_entry(void* pointer) {
  auto& machine = *static_cast<Machine*>(pointer);
  Actor& self = *machine.current_;
  self.in_entry = true;
  if (&self == &machine.due_.timers()) {
    machine.timer_work();
  } else {
    machine.outside_work();
  }
  self.in_entry = false;
  machine.actors_.set_runnable(self, false);
}

void Machine::run_work(Actor& actor) {
  if (actor.fiber->done()) actor.fiber->start(&Machine::work_entry, this);
  if (resume(actor)) actor.at = PointOp::kDone;
}

}  // namespace xensim::sim
