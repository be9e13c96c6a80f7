// DueWork: what the machine does of itself. What comes later stands in a queue by time; what has come waits for one of
// two actors that bring it to the core: timers, and events from outside.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "sim/machine/actors.h"
#include "sim/machine/event_queue.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

class DueWork {
 public:
  using DomainPort = std::pair<DomId, Port>;

  // Borrows both; make_actors() before anything else.
  DueWork(Actors& actors, const Scenario& scenario) : actors_(actors), scenario_(scenario) {}
  // The last two actors of a machine.
  void make_actors();
  Actor& timers() const { return *timers_; }
  Actor& outside() const { return *outside_; }
  bool has_work() const { return timers_->core_runnable || outside_->core_runnable; }
  void reset();

  // --- later
  // The scenario's events and inputs.
  void arm_scenario();
  // Re-arming replaces.
  void arm(const DueId& id, VirtualNs at) { queue_.arm(id, at); }
  void cancel(const DueId& id) { queue_.cancel(id); }
  // The same of a timer of the core's, which must not come any more even where its time has.
  void cancel_timer(xen::TimerId id);
  // When the first is due; the largest time where none is.
  VirtualNs next() const { return queue_.next(); }
  bool anything_later() const { return !queue_.empty(); }
  // Takes what is due first, if it is by `now`. The core's timers and events from outside become work; whatever else
  // it is, the caller sees to it.
  std::optional<DueId> take(VirtualNs now);

  // --- now
  // A guest has notified a service of the machine: once until it is served. false: it was noted already.
  bool guest_notified(DomId dom, Port port);
  // The machine notifies a guest.
  void notify_guest(DomId dom, Port port);
  // What the actors do next; each is taken as it is asked for.
  std::optional<xen::TimerId> next_timer() { return pop(due_timers_); }
  std::optional<uint32_t> next_external() { return pop(due_external_); }  // an index of the scenario's events
  std::optional<DomainPort> next_notified() { return pop(due_outside_); }
  std::optional<DomainPort> next_notice() { return pop(due_notices_); }
  // From outside to inside: what is served may be answered with a notice.
  void add_notice(DomainPort notice) { due_notices_.push_back(notice); }

  // `has_device_timer`: does the domain have a device's timer of that number?
  using HasDeviceTimer = std::function<bool(DomId, uint32_t)>;
  void fields(StateArchive& ar, const HasDeviceTimer& has_device_timer);

 private:
  template <class T>
  static std::optional<T> pop(std::vector<T>& list) {
    if (list.empty()) return std::nullopt;
    const T first = list.front();
    list.erase(list.begin());
    return first;
  }
  void timer_field(StateArchive& ar, xen::TimerId& timer) const;
  void id_field(StateArchive& ar, DueId& id, const HasDeviceTimer& has_device_timer) const;
  void port_fields(StateArchive& ar, const char* name, std::vector<DomainPort>& ports) const;

  Actors& actors_;
  const Scenario& scenario_;
  Actor* timers_ = nullptr;
  Actor* outside_ = nullptr;
  EventQueue queue_;
  std::vector<xen::TimerId> due_timers_;
  std::vector<uint32_t> due_external_;
  std::vector<DomainPort> due_outside_;  // services that a guest has notified
  std::vector<DomainPort> due_notices_;  // guests that the machine notifies
};

}  // namespace xensim::sim
