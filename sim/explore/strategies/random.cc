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
    const uint64_t current = uint64_t{1} << choice.current;
    if (choice.key.gives_way() && candidates != current) candidates &= ~current;
    if ((candidates & (candidates - 1)) == 0) {
      prng_.skip(1);
      return static_cast<unsigned>(std::countr_zero(candidates));
    }
    uint64_t skip = prng_.below(count(candidates));
    // The first few without a branch: a processor can not predict what a random number says.
    for (uint64_t i = 0; i < kFew; ++i) candidates &= candidates - (i < skip ? 1 : 0);
    for (; skip > kFew; --skip) candidates &= candidates - 1;
    return static_cast<unsigned>(std::countr_zero(candidates));
  }

 private:
  static constexpr uint64_t kFew = 4;

  // std::popcount is a call where the processor may have no instruction for it.
  static uint64_t count(uint64_t bits) {
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return bits * 0x0101010101010101 >> 56;
  }

  Prng prng_;
};

}  // namespace

std::unique_ptr<Strategy> make_random(uint64_t seed) { return std::make_unique<RandomStrategy>(seed); }

}  // namespace xensim::sim
