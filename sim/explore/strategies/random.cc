// Uniform random choice.
#include <bit>
#include <utility>

#include "models/base/prng.h"
#include "sim/explore/strategies/strategies.h"

namespace xensim::sim {

namespace {

class RandomStrategy final : public Strategy {
 public:
  explicit RandomStrategy(uint64_t seed) : prng_(seed) { number_ = prng_.next(); }

  unsigned choose(const Choice& choice) override {
    uint64_t candidates = choice.runnable;
    // A spinning actor would only spin again.
    const uint64_t current = uint64_t{1} << choice.current;
    if (choice.key.gives_way() && candidates != current) candidates &= ~current;
    // Drawn at the point before: what goes on waits for the choice, and the next number for nothing.
    const uint64_t number = std::exchange(number_, prng_.next());
    const uint64_t second = candidates & (candidates - 1);  // and all above it
    if (second == 0) return lowest(candidates);
    if ((second & (second - 1)) == 0) return lowest(number >> 63 != 0 ? second : candidates);
    uint64_t skip = Prng::scaled(number, count(candidates));
    // The first few without a branch: a processor can not predict what a random number says.
    for (uint64_t i = 0; i < kFew; ++i) candidates &= candidates - (i < skip ? 1 : 0);
    for (; skip > kFew; --skip) candidates &= candidates - 1;
    return lowest(candidates);
  }

 private:
  static constexpr uint64_t kFew = 4;

  static unsigned lowest(uint64_t bits) { return static_cast<unsigned>(std::countr_zero(bits)); }

  // std::popcount is a call where the processor may have no instruction for it.
  static uint64_t count(uint64_t bits) {
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return bits * 0x0101010101010101 >> 56;
  }

  Prng prng_;
  uint64_t number_;
};

}  // namespace

std::unique_ptr<Strategy> make_random(uint64_t seed) { return std::make_unique<RandomStrategy>(seed); }

}  // namespace xensim::sim
