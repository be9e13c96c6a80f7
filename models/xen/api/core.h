// The core as a library: makes the implementation of CoreApi.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/xen/api/core_api.h"
#include "models/xen/api/flavour.h"
#include "models/xen/api/platform.h"

namespace xensim::xen {

// Reads of the core's state for reports and invariants, while nobody is inside it; no scheduling points.
class CoreInspector {
 public:
  virtual ~CoreInspector() = default;
  // Events that are pending, unmasked and bound to a blocked vCPU that nobody signalled, and pollers of a pending port
  // that sleep on: what should have been delivered and never will be.
  virtual std::vector<LostEvent> lost_events() const = 0;
  // Broken invariants of the core's own data (channels, clocks, pins, references, maptrack), one line each; empty: all
  // hold.
  virtual std::vector<std::string> broken_invariants() const = 0;
  // A line for a dead guest's report: how the port is bound, pending, masked.
  virtual std::string describe_port(DomId dom, Port port) const = 0;
  virtual std::string describe_vcpu(VcpuRef vcpu) const = 0;
  // Would CoreApi::pending_upcall give a vector now?
  virtual bool upcall_pending(VcpuRef vcpu) const = 0;
  // Is a callback's line up whose upcall the guest has taken? It falls when a vCPU comes to the hypervisor.
  virtual bool upcall_taken(DomId dom) const = 0;
  // Would CoreApi::before_halt do anything now?
  virtual bool halt_unmasks(VcpuRef vcpu) const = 0;
};

// The core's whole state as bytes (state/save.h), while nobody is inside it. What a Platform keeps (guest memory, armed
// timers) is the Platform's to save; the timers are given along for one that cannot.
class CoreState {
 public:
  virtual ~CoreState() = default;
  using Timers = std::vector<std::pair<TimerId, VirtualNs>>;

  virtual std::vector<std::byte> save(const Timers& timers = {}) = 0;
  // Replaces all domains; the Platform has their pages and hears nothing of it. Gives the timers that were saved.
  // kInput: these bytes, which may be anybody's, are no state of a core of this version and flavour, or its clocks are
  // ahead of `now`, the machine's; then nothing is changed.
  virtual Result<Timers> restore(std::span<const std::byte> bytes, VirtualNs now) = 0;
  // Tells a Platform that knows nothing of the domains what it has to: mappings, who can run, callback lines, timers.
  virtual void announce(const Timers& timers) = 0;
  // Every field, a line each.
  virtual std::string dump() = 0;
  // Each domain's number and how many vCPUs it has: whom announce() will talk of.
  virtual std::vector<std::pair<DomId, uint32_t>> domains() = 0;
};

// Owns all state of the hypervisor; borrows the Platform, which must outlive it.
struct CoreInstance {
  std::unique_ptr<CoreApi> api;
  const CoreInspector* inspector = nullptr;  // lives as long as `api`
  CoreState* state = nullptr;                // the same
};

CoreInstance make_core(Platform& platform, const Flavour& flavour);

}  // namespace xensim::xen
