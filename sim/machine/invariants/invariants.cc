#include "sim/machine/invariants/invariants.h"

namespace xensim::sim {

std::vector<std::unique_ptr<Invariant>> make_invariants() {
  std::vector<std::unique_ptr<Invariant>> all;
  all.push_back(make_core_data_invariant());
  all.push_back(make_no_lost_event_invariant());
  return all;
}

}  // namespace xensim::sim
