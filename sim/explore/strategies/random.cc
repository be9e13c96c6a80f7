// Uniform random choice.
#include <bit>

#include "models/base/prng.h"
#include "sim/explore/strategies/strategies.h"

namespace xensim::sim {

namespace {

class RandomStrategy final : public Strategy {
 public:
  explicit RandomStrategy(uint64_t seed) : prng_(seed) {}

  unsigned choose(const Choice& choice) override {
    uint64_t candidates = choice.runnable;
    // Who spins would only spin again.
    if (choice.key.gives_way() && std::popcount(candidates) > 1) candidates &= ~(uint64_t{1} << choice.current);
    uint64_t skip = prng_.below(static_cast<uint64_t>(std::popcount(candidates)));
    while (skip-- > 0) candidates &= candidates - 1;
    return static_cast<unsigned>(std::countr_zero(candidates));
  }

 private:
  Prng prng_;
};

}  // namespace

std::unique_ptr<Strategy> make_random(uint64_t seed) { return std::make_unique<RandomStrategy>(seed); }

}  // namespace xensim::sim
