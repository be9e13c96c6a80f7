// Turns of a seeded length.
#include "models/base/prng.h"
#include "sim/explore/strategies/strategies.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kLongestTurn = 64;

class RoundRobinStrategy final : public Strategy {
 public:
  explicit RoundRobinStrategy(uint64_t seed) : prng_(seed), left_(1 + prng_.below(kLongestTurn)) {}

  unsigned choose(const Choice& choice) override {
    if (choice.current_runnable() && !choice.key.gives_way() && --left_ > 0) return choice.current;
    left_ = 1 + prng_.below(kLongestTurn);
    return next_runnable(choice.runnable, choice.current);
  }

 private:
  Prng prng_;
  uint64_t left_;
};

}  // namespace

std::unique_ptr<Strategy> make_round_robin(uint64_t seed) { return std::make_unique<RoundRobinStrategy>(seed); }

}  // namespace xensim::sim
