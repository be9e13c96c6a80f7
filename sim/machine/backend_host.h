// BackendHost: what the parts of a backend ask of their machine. It is a reference: copied at will, and the machine
// outlives it. The backend itself, which a machine is, hands it out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "sim/machine/machine.h"

namespace xensim::sim {

class BackendHost {
 public:
  // --- fixed
  const Scenario& scenario() const { return machine_.scenario_; }
  const xen::Flavour& flavour() const { return machine_.flavour_; }
  size_t domains() const { return machine_.domains_.size(); }
  Actor& actor(ActorId id) const { return machine_.actors_[id]; }
  std::span<std::byte> memory(Maddr at, uint64_t bytes) const { return machine_.memory_.host(at, bytes); }

  // --- the core of this moment, through the recorder where there is one; and the recorder
  xen::CoreApi& core() const { return *machine_.api_; }
  const xen::CoreInspector& inspector() const { return *machine_.core_.inspector; }
  traces::EventWriter* events() const { return machine_.events(); }

  // --- virtual time
  VirtualNs time() const { return machine_.time(); }
  VirtualNs look_at_clock() const { return machine_.look_at_clock(); }
  uint64_t tsc() const { return machine_.tsc(); }
  void advance_time(uint64_t ns) const { machine_.advance_time(ns); }
  VirtualNs slice_deadline() const { return machine_.slice_deadline(); }
  void arm(const DueId& id, VirtualNs at) const { machine_.due_.arm(id, at); }
  void cancel(const DueId& id) const { machine_.due_.cancel(id); }

  // --- turns and points: as Machine has them
  bool exploring() const { return machine_.exploring(); }
  bool decide(const PointKey& key) const { return machine_.decide(key); }
  void point(const PointKey& key) const { machine_.point(key); }
  void search_from_here() const { machine_.search_from_here(); }
  void touch(const ObjectAccess& access) const { machine_.touch(access); }
  bool takes_interrupt(Actor& actor) const { return Machine::takes_interrupt(actor); }
  void begin_handler(Actor& actor) const { machine_.begin_handler(actor); }
  void end_handler(Actor& actor) const { machine_.end_handler(actor); }
  void set_interrupt(const Actor& actor, bool ready) const { machine_.set_interrupt(actor, ready); }
  bool alone() const { return machine_.alone(); }
  bool resume(Actor& actor) const { return machine_.resume(actor); }
  void refresh(const Actor& actor) const { machine_.refresh(actor); }
  template <class Body>
  auto as_actor(Actor& actor, Body&& body) const {
    return machine_.as_actor(actor, std::forward<Body>(body));
  }
  // A number of the run's seed, below `bound`.
  uint64_t draw_below(uint64_t bound) const { return machine_.prng_.below(bound); }

  // --- what becomes of the run
  void count_hypercall() const { ++machine_.outcome_.hypercalls; }
  void console_bytes(Domain& domain, xen::ConsoleChannel channel, std::span<const std::byte> text) const {
    machine_.console_bytes(domain, channel, text);
  }
  void fail(FailureKind kind, std::string message, std::string where, std::string report) const {
    machine_.fail(kind, std::move(message), std::move(where), std::move(report));
  }
  void end_domain(Domain& domain, xen::ShutdownReason reason) const { machine_.end_domain(domain, reason); }
  void test_exit(Domain& domain, uint32_t value) const { machine_.test_exit(domain, value); }

 private:
  friend class Machine;
  explicit BackendHost(Machine& machine) : machine_(machine) {}

  Machine& machine_;
};

inline BackendHost Machine::host() { return BackendHost(*this); }

}  // namespace xensim::sim
