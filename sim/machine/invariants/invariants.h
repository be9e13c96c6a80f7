// Invariants: what must hold of the core at every moment at which nobody is inside it, one kind a file. Looked at after
// every turn where checks are on (machine.checks), and at the end of every run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/xen/api/core.h"
#include "sim/scenario/outcome.h"

namespace xensim::sim {

struct BrokenInvariant {
  FailureKind kind = FailureKind::kInvariant;
  std::string message;  // one line
  std::string where;    // a vCPU, a port; may be empty
};

// Keeps nothing of a run; what compares with earlier does so in the core's inspector.
class Invariant {
 public:
  virtual ~Invariant() = default;
  // After a turn.
  virtual std::optional<BrokenInvariant> at_step(const xen::CoreInspector& core) = 0;
  // When the run is over and nobody is left inside.
  virtual std::optional<BrokenInvariant> at_end(const xen::CoreInspector& core) { return at_step(core); }
};

// core_data.cc: reference counts and pins balance, none are left of a domain that ended, maptrack handles are unique,
// channels know each other, runstate times go forward and add up, versions of time are even.
std::unique_ptr<Invariant> make_core_data_invariant();
// no_lost_event.cc: no vCPU sleeps over an event that it should have been told of.
std::unique_ptr<Invariant> make_no_lost_event_invariant();

// All of them, in a fixed order.
std::vector<std::unique_ptr<Invariant>> make_invariants();

}  // namespace xensim::sim
