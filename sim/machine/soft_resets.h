// SoftResets: domains that have asked for a soft reset and are paused until none of their vCPUs is inside the core. The
// machine is the toolstack too: it lets a domain run on after one where its configuration says so.
#pragma once

#include <functional>
#include <vector>

#include "sim/machine/actors.h"
#include "sim/machine/domain.h"

namespace xensim::sim {

class SoftResets {
 public:
  // Borrows the actors.
  explicit SoftResets(Actors& actors) : actors_(actors) {}
  void reset() { any_ = false; }
  // Does a domain wait for one?
  bool any() const { return any_; }
  // From now on, until its reset, none of its vCPUs begins a turn; what is inside the core goes on.
  void pause(Domain& domain);
  // Those that nobody is inside any more: `reset` makes the core's part of it, then their vCPUs run on.
  void finish(std::vector<Domain>& domains, const std::function<void(Domain&)>& reset);

  void field(StateArchive& ar) { ar("any_resetting", any_); }

 private:
  void set_paused(const Domain& domain, bool paused);

  Actors& actors_;
  bool any_ = false;
};

}  // namespace xensim::sim
