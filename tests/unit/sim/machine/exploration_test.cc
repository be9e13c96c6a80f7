// Exploration: what its strategy is asked, and when the schedule becomes fair instead.
#include "sim/machine/exploration.h"

#include <doctest/doctest.h>

#include <vector>

#include "models/base/check.h"

using namespace xensim;
using namespace xensim::sim;

namespace {

// Always the same actor; writes down what it was asked.
class Always final : public Strategy {
 public:
  Always(unsigned actor, bool names) : actor_(actor), names_(names) {}
  unsigned choose(const Choice& choice) override {
    occurrences.push_back(choice.occurrence);
    return actor_;
  }
  bool wants_occurrence() const override { return names_; }
  std::vector<uint64_t> occurrences;

 private:
  unsigned actor_;
  bool names_;
};

constexpr PointKey kHere{PointOp::kGuest, 0, "here"}, kThere{PointOp::kGuest, 0, "there"};
Choice at(uint64_t step, unsigned current, const PointKey& key = kHere) {
  return {step, VirtualNs{0}, current, 0b1110, key, 0};
}

bool decide(Exploration& exploration, Choice choice) { return exploration.decide(choice); }

}  // namespace

TEST_CASE("the strategy decides, and whether another goes on is the answer") {
  Always second(2, false);
  Exploration exploration;
  CHECK_FALSE(exploration.on());
  exploration.reset(&second, 10);
  CHECK(exploration.on());
  CHECK(decide(exploration, at(1, 1)));
  CHECK(exploration.next() == 2);
  CHECK_FALSE(decide(exploration, at(2, 2)));
  CHECK(second.occurrences == std::vector<uint64_t>{0, 0});
}

TEST_CASE("points are counted by actor and name where the strategy wants it") {
  Always second(2, true);
  Exploration exploration;
  exploration.reset(&second, 100);
  decide(exploration, at(1, 1));
  decide(exploration, at(2, 1, kThere));
  decide(exploration, at(3, 1));
  decide(exploration, at(4, 2));
  const PointKey blocked{PointOp::kBlocked, 0, nullptr};
  decide(exploration, at(4, 2, blocked));
  decide(exploration, at(4, irq_lane(2), blocked));  // the same actor's
  decide(exploration, at(4, kClockLane, blocked));
  CHECK(second.occurrences == std::vector<uint64_t>{1, 1, 2, 1, 1, 2, 1});
}

TEST_CASE("after its points the schedule is fair, and after as many again the run is over") {
  Always second(2, false);
  Exploration exploration;
  exploration.reset(&second, 3);
  decide(exploration, at(1, 2));
  decide(exploration, at(2, 2));
  CHECK_FALSE(exploration.fair());
  CHECK(decide(exploration, at(3, 2)));  // the third
  CHECK(exploration.fair());
  CHECK(exploration.next() == 3);  // round and round: not what the strategy says
  CHECK(decide(exploration, at(4, 3)));
  CHECK(exploration.next() == 1);
  CHECK(second.occurrences.size() == 2);
  CHECK_FALSE(exploration.spent(5));
  CHECK(exploration.spent(6));
  CHECK(decide(exploration, at(6, 1)));
  CHECK(exploration.next() == kStopRun);
  exploration.reset(&second, 3);
  CHECK_FALSE(exploration.fair());
}

TEST_CASE("a strategy that wants footprints has that of the step that ended, and the last one's at the end") {
  struct Footprints final : Strategy {
    unsigned choose(const Choice& choice) override {
      seen.emplace_back(choice.footprint.begin(), choice.footprint.end());
      return 3;
    }
    bool wants_footprints() const override { return true; }
    void run_ended(std::span<const ObjectAccess> footprint) override {
      seen.emplace_back(footprint.begin(), footprint.end());
    }
    std::vector<std::vector<ObjectAccess>> seen;
  } strategy;
  const ObjectAccess word = word_access(Maddr{20}, 4, AccessKind::kWrite, 0x10);
  const ObjectAccess goes_on{object_of(ObjectSpace::kVcpu, 3), kWholeObject, AccessKind::kRead};
  Exploration exploration;
  exploration.reset(&strategy, 10);
  CHECK(exploration.collects());
  exploration.touched(word);
  exploration.begin();  // before the first step
  decide(exploration, at(1, 2));
  exploration.touched(word);
  decide(exploration, at(2, 3));
  exploration.end();
  REQUIRE(strategy.seen.size() == 3);
  CHECK(strategy.seen[0].empty());
  CHECK(strategy.seen[1] == std::vector<ObjectAccess>{goes_on, word});
  CHECK(strategy.seen[2] == std::vector<ObjectAccess>{goes_on});
}

TEST_CASE("another strategy takes over, in an exploration alone") {
  Always second(2, false), third(3, true);
  Exploration exploration;
  CHECK_THROWS_AS(exploration.set_strategy(third), CheckFailure);
  exploration.reset(&second, 10);
  exploration.set_strategy(third);
  decide(exploration, at(1, 1));
  CHECK(exploration.next() == 3);
  CHECK(third.occurrences == std::vector<uint64_t>{1});
}
