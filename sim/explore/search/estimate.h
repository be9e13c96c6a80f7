// Estimate: how many complete runs a bounded search without its cache would make, from random runs (Knuth, "Estimating
// the efficiency of backtrack programs", 1975): the product of a run's numbers of alternatives is an unbiased estimate.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "models/base/prng.h"
#include "sim/machine/strategy.h"

namespace xensim::sim {

class Estimate final : public Strategy {
 public:
  static constexpr unsigned kUnbounded = std::numeric_limits<unsigned>::max();

  // For schedules with at most so many preemptions. Each run under it is a probe.
  explicit Estimate(uint64_t seed, unsigned preemptions = kUnbounded) : prng_(seed), preemptions_(preemptions) {
    left_ = preemptions;
  }

  unsigned choose(const Choice& choice) override;
  void run_ended(std::span<const ObjectAccess> footprint) override;

  uint64_t probes() const { return probes_; }
  double mean() const { return probes_ == 0 ? 0 : sum_ / static_cast<double>(probes_); }

 private:
  Prng prng_;
  unsigned preemptions_;
  unsigned left_ = 0;   // in this probe
  double product_ = 1;  // in this probe
  double sum_ = 0;
  uint64_t probes_ = 0;
};

}  // namespace xensim::sim
