// AwaitFilter: a lane that spins waits for what it looked at.
#include "sim/explore/search/await_filter.h"

#include <doctest/doctest.h>

#include <vector>

using namespace xensim;
using namespace xensim::sim;

namespace {

// Says which lane goes on, and notes what it could choose among.
class Scripted final : public Strategy {
 public:
  unsigned choose(const Choice& choice) override {
    runnable.push_back(choice.runnable);
    return next;
  }
  unsigned next = 1;
  std::vector<uint64_t> runnable;
};

constexpr PointKey kWork{PointOp::kGuest, 0, "work"}, kPause{PointOp::kPause, 0, "pause"};
const ObjectAccess kLooks = word_access(Maddr{64}, 8, AccessKind::kRead);
const ObjectAccess kWrites = word_access(Maddr{64}, 8, AccessKind::kWrite);
const ObjectAccess kElsewhere = word_access(Maddr{128}, 8, AccessKind::kWrite);

struct Fixture {
  Scripted script;
  AwaitFilter filter{script};
  // The lane that ran is at a point, having touched this; `next` goes on.
  uint64_t at(unsigned current, const PointKey& key, std::vector<ObjectAccess> footprint, unsigned next) {
    script.next = next;
    filter.choose({1, VirtualNs{0}, current, 0b110, key, 0, footprint});
    return script.runnable.back();
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a lane that has only looked waits until what it looked at is written") {
  CHECK(at(1, kWork, {}, 1) == 0b110);
  CHECK(at(1, kPause, {kLooks}, 2) == 0b100);
  CHECK(at(2, kWork, {kElsewhere}, 2) == 0b100);
  CHECK(at(2, kWork, {kWrites}, 1) == 0b110);
  CHECK(at(1, kPause, {kLooks}, 2) == 0b100);
}

TEST_CASE_FIXTURE(Fixture, "a round that wrote something, or looked at nothing with a name, may matter") {
  CHECK(at(1, kWork, {}, 1) == 0b110);
  CHECK(at(1, kPause, {kLooks, kElsewhere}, 1) == 0b110);
  CHECK(at(1, kPause, {}, 1) == 0b110);
  CHECK(at(1, kPause, {{object_of(ObjectSpace::kVcpu, 1), kWholeObject, AccessKind::kRead}}, 1) == 0b110);
  CHECK(at(1, kPause, {kLooks}, 2) == 0b100);
}

TEST_CASE_FIXTURE(Fixture, "where all wait, all can be chosen, and a run's end forgets everything") {
  CHECK(at(1, kWork, {}, 1) == 0b110);
  CHECK(at(1, kPause, {kLooks}, 2) == 0b100);
  CHECK(at(2, kPause, {kLooks}, 2) == 0b110);
  filter.run_ended({});
  CHECK(at(1, kWork, {}, 1) == 0b110);
}
