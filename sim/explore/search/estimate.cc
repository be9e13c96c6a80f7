// Random descents of the tree of choices.
#include "sim/explore/search/estimate.h"

#include <bit>

#include "sim/explore/search/bounded.h"

namespace xensim::sim {

unsigned Estimate::choose(const Choice& choice) {
  uint64_t lanes = affordable(choice, choice.runnable, left_);
  const auto alternatives = static_cast<uint64_t>(std::popcount(lanes));
  product_ *= static_cast<double>(alternatives);
  for (uint64_t skip = prng_.below(alternatives); skip != 0; --skip) lanes &= lanes - 1;
  const auto lane = static_cast<unsigned>(std::countr_zero(lanes));
  left_ -= preemptions_of(choice, lane);
  return lane;
}

void Estimate::run_ended(std::span<const ObjectAccess> /*footprint*/) {
  sum_ += product_;
  ++probes_;
  product_ = 1;
  left_ = preemptions_;
}

}  // namespace xensim::sim
