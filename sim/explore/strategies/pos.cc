// Partial order sampling (Yuan, Yang, Gu, CAV 2018).
#include <array>
#include <bit>

#include "models/base/prng.h"
#include "sim/explore/strategies/strategies.h"

namespace xensim::sim {

namespace {

class PosStrategy final : public Strategy {
 public:
  explicit PosStrategy(uint64_t seed) : prng_(seed) {
    for (unsigned lane = 0; lane < kMaxLanes; ++lane) priorities_[lane] = prng_.next();
    pending_[kClockLane] = {object_of(ObjectSpace::kClock, 0), kWholeObject, AccessKind::kWrite};
  }

  unsigned choose(const Choice& choice) override {
    // What the current lane announced before is done; this is another operation.
    priorities_[choice.current] = prng_.next();
    if (choice.current != kClockLane) pending_[choice.current] = choice.key.access;
    const unsigned best = highest(choice.runnable);
    for (uint64_t rest = choice.runnable & ~lane_bit(best); rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(rest));
      if (conflicts(pending_[best], pending_[lane])) priorities_[lane] = prng_.next();
    }
    return best;
  }

 private:
  unsigned highest(uint64_t lanes) const {
    auto best = static_cast<unsigned>(std::countr_zero(lanes));
    for (uint64_t rest = lanes & (lanes - 1); rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<unsigned>(std::countr_zero(rest));
      if (priorities_[lane] > priorities_[best]) best = lane;
    }
    return best;
  }

  Prng prng_;
  std::array<uint64_t, kMaxLanes> priorities_{};
  std::array<ObjectAccess, kMaxLanes> pending_{};
};

}  // namespace

std::unique_ptr<Strategy> make_pos(uint64_t seed) { return std::make_unique<PosStrategy>(seed); }

}  // namespace xensim::sim
