// Probabilistic concurrency testing.
#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "models/base/prng.h"
#include "sim/explore/strategies/strategies.h"

namespace xensim::sim {

namespace {

class PctStrategy final : public Strategy {
 public:
  PctStrategy(uint64_t seed, unsigned depth, uint64_t length) : prng_(seed) {
    for (uint64_t& priority : priorities_) priority = prng_.next() | (uint64_t{1} << 63);
    for (unsigned i = 1; i < depth; ++i) changes_.push_back(1 + prng_.below(std::max<uint64_t>(length, 1)));
    std::sort(changes_.begin(), changes_.end());
  }

  unsigned choose(const Choice& choice) override {
    bool falls = choice.key.gives_way();
    while (next_change_ < changes_.size() && choice.step >= changes_[next_change_]) {
      ++next_change_;
      falls = true;
    }
    if (falls) priorities_[choice.current] = --lowest_;
    unsigned best = static_cast<unsigned>(std::countr_zero(choice.runnable));
    for (uint64_t rest = choice.runnable & (choice.runnable - 1); rest != 0; rest &= rest - 1) {
      const auto actor = static_cast<unsigned>(std::countr_zero(rest));
      if (priorities_[actor] > priorities_[best]) best = actor;
    }
    return best;
  }

 private:
  Prng prng_;
  std::array<uint64_t, kMaxLanes> priorities_{};
  std::vector<uint64_t> changes_;
  size_t next_change_ = 0;
  uint64_t lowest_ = uint64_t{1} << 62;
};

}  // namespace

std::unique_ptr<Strategy> make_pct(uint64_t seed, unsigned depth, uint64_t length) {
  return std::make_unique<PctStrategy>(seed, depth, length);
}

}  // namespace xensim::sim
