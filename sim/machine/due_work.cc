#include "sim/machine/due_work.h"

#include <algorithm>

namespace xensim::sim {

namespace {

constexpr uint64_t kMostDue = 1 << 20;

}  // namespace

void DueWork::make_actors() {
  timers_ = &actors_.add({ActorKind::kTimer, {}, "timers"}, "timers");
  outside_ = &actors_.add({ActorKind::kExternal, {}, "outside"}, "outside");
  for (Actor* const actor : {timers_, outside_}) actor->fiber = std::make_unique<Fiber>();
}

void DueWork::reset() {
  queue_.clear();
  due_timers_.clear();
  due_external_.clear();
  due_outside_.clear();
  due_notices_.clear();
}

void DueWork::arm_scenario() {
  for (uint32_t i = 0; i < scenario_.events.size(); ++i) arm({DueKind::kExternal, {}, i}, scenario_.events[i].at);
  for (uint32_t i = 0; i < scenario_.inputs.size(); ++i) arm({DueKind::kInput, {}, i}, scenario_.inputs[i].at);
}

void DueWork::cancel_timer(xen::TimerId id) {
  queue_.cancel({DueKind::kXenTimer, id, 0});
  std::erase(due_timers_, id);
}

std::optional<DueId> DueWork::take(VirtualNs now) {
  const auto due = queue_.pop_due(now);
  if (!due) return std::nullopt;
  if (due->kind == DueKind::kXenTimer) {
    due_timers_.push_back(due->timer);
    actors_.set_runnable(*timers_, true);
  } else if (due->kind == DueKind::kExternal) {
    due_external_.push_back(due->external);
    actors_.set_runnable(*outside_, true);
  }
  return due;
}

bool DueWork::guest_notified(DomId dom, Port port) {
  const DomainPort notified(dom, port);
  if (std::find(due_outside_.begin(), due_outside_.end(), notified) != due_outside_.end()) return false;
  due_outside_.push_back(notified);
  actors_.set_runnable(*outside_, true);
  return true;
}

void DueWork::notify_guest(DomId dom, Port port) {
  add_notice({dom, port});
  actors_.set_runnable(*outside_, true);
}

void DueWork::timer_field(StateArchive& ar, xen::TimerId& timer) const {
  ar.one_of("kind", timer.kind, xen::TimerKind::kWatchdog1);
  ar("dom", timer.vcpu.dom);
  ar("vcpu", timer.vcpu.vcpu);
  if (!ar.loading() || !ar.ok()) return;
  const uint16_t dom = timer.vcpu.dom.v;
  if (dom < 1 || dom > scenario_.guests.size() || timer.vcpu.vcpu.v >= scenario_.guests[dom - 1u].vcpus) {
    ar.fail("a timer is of a vCPU that there is not");
  }
}

// Each kind has what names it; the rest is as arm() was given it.
void DueWork::id_field(StateArchive& ar, DueId& id, const HasDeviceTimer& has_device_timer) const {
  const bool index = id.kind == DueKind::kExternal || id.kind == DueKind::kInput;
  if (!index) timer_field(ar, id.timer);
  ar("index", id.external);
  if (!ar.loading() || !ar.ok()) return;
  switch (id.kind) {
    case DueKind::kExternal: return ar.check_below("index", id.external, scenario_.events.size());
    case DueKind::kInput: return ar.check_below("index", id.external, scenario_.inputs.size());
    case DueKind::kDevice:
      if (!has_device_timer(id.timer.vcpu.dom, id.external)) ar.fail("a timer is of a device that there is not");
      return;
    default: return;
  }
}

void DueWork::port_fields(StateArchive& ar, const char* name, std::vector<DomainPort>& ports) const {
  ar(name, ports, kMostDue);
  for (const auto& [dom, port] : ports) {
    if (ar.loading() && (dom.v < 1 || dom.v > scenario_.guests.size())) ar.fail("a notification is for no guest");
  }
}

void DueWork::fields(StateArchive& ar, const HasDeviceTimer& has_device_timer) {
  auto due = queue_.all();
  const uint64_t count = ar.size("due", due.size(), kMostDue);
  if (ar.loading()) {
    due.resize(count);
    queue_.clear();
  }
  for (auto& [id, at] : due) {
    ar.one_of("kind", id.kind, DueKind::kDevice);
    id_field(ar, id, has_device_timer);
    ar("at", at);
    if (!ar.ok()) return;
    if (ar.loading()) queue_.arm(id, at);
  }
  ar.each("due_timers", due_timers_, kMostDue, [&](xen::TimerId& timer) { timer_field(ar, timer); });
  ar("due_external", due_external_, kMostDue);
  for (const uint32_t index : due_external_) ar.check_below("due_external", index, scenario_.events.size());
  port_fields(ar, "due_outside", due_outside_);
  port_fields(ar, "due_notices", due_notices_);
}

}  // namespace xensim::sim
