// Known numbers of runs, and what a search does where the machine does not keep its promise.
#include "sim/explore/search/search.h"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <set>
#include <vector>

#include "sim/explore/search/bounded.h"
#include "sim/explore/search/estimate.h"
#include "sim/explore/search/reduced.h"
#include "tests/unit/sim/explore/search/brute_force.h"
#include "tests/unit/sim/explore/search/gate.h"
#include "tests/unit/sim/explore/search/generator.h"

using namespace xensim::sim;
using namespace xensim::sim::small;

namespace {

Op store(uint8_t word, uint8_t value) { return {OpKind::kStore, word, 0, 0xff, value}; }
Op load(uint8_t word, uint8_t reg = 0) { return {OpKind::kLoad, word, reg}; }
Op set_bit(uint8_t word, uint8_t mask) { return {OpKind::kOr, word, 0, mask}; }
Op lock(uint8_t number) { return {OpKind::kLock, number}; }
Op unlock(uint8_t number) { return {OpKind::kUnlock, number}; }
Op kick(uint8_t actor) { return {OpKind::kKick, actor}; }

SearchCounts reduced_counts(const Program& program) {
  ReducedSearch search;
  finals_of(program, search);
  REQUIRE_FALSE(search.diverged().has_value());
  return search.counts();
}

Program two(std::vector<Op> first, std::vector<Op> second) {
  Program program;
  program.code[1] = std::move(first);
  program.code[2] = std::move(second);
  return program;
}

// n writes each to one word.
Program writers(unsigned n) {
  Program program;
  for (unsigned i = 0; i < n; ++i) {
    program.code[1].push_back(store(0, 1));
    program.code[2].push_back(store(0, 2));
  }
  return program;
}

// A machine whose second run has another runnable lane, or touches another object.
class Fickle {
 public:
  enum class Change { kRunnable, kFootprint, kEnd };
  explicit Fickle(Change change) : change_(change) {}

  // Two lanes with two steps each, all of which conflict.
  void run(Strategy& strategy) {
    const bool changed = ++runs_ > 1;
    std::vector<ObjectAccess> footprint;
    std::array<unsigned, 3> left{0, 2, 2};
    unsigned current = 1;
    for (uint64_t step = 1; left[1] + left[2] != 0; ++step) {
      uint64_t runnable = (left[1] != 0 ? lane_bit(1) : 0) | (left[2] != 0 ? lane_bit(2) : 0);
      if (changed && change_ == Change::kRunnable) runnable |= lane_bit(3);
      if (changed && change_ == Change::kEnd) break;
      const unsigned lane = strategy.choose({step, {}, current, runnable, kNowhere, 0, footprint});
      if (lane == kStopRun) break;
      const uint64_t object = changed && change_ == Change::kFootprint ? 9 : 8;
      footprint = {{object_of(ObjectSpace::kMemory, object), kWholeObject, AccessKind::kWrite}};
      --left[lane];
      current = lane;
    }
    strategy.run_ended(footprint);
  }

 private:
  Change change_;
  unsigned runs_ = 0;
};

// The search is exact, and with this defect it loses a trace.
void expect_exact_but_for(const Program& program, ReducerDefect defect) {
  const Everything everything = brute_force(program, kMostRuns);
  ReducedSearch search;
  const bool same = finals_of(program, search) == everything.finals;
  CHECK(same);
  CHECK(search.counts().complete == everything.traces.size());
  ReducedSearch defective(defect);
  finals_of(program, defective);
  CHECK(defective.counts().complete < everything.traces.size());
}

}  // namespace

TEST_CASE("bits of one word that differ make one trace") {
  const Program program = two({set_bit(0, 1), set_bit(0, 1), set_bit(0, 1), set_bit(0, 1)},
                              {set_bit(0, 2), set_bit(0, 2), set_bit(0, 2), set_bit(0, 2)});
  const SearchCounts counts = reduced_counts(program);
  CHECK(counts.runs == 1);
  CHECK(counts.complete == 1);
  CHECK(counts.deepest == 8);
}

TEST_CASE("n writes each to one word make C(2n,n) traces and no blocked run") {
  const uint64_t central[] = {1, 2, 6, 20, 70, 252, 924};
  for (unsigned n = 1; n <= 6; ++n) {
    const SearchCounts counts = reduced_counts(writers(n));
    CHECK(counts.complete == central[n]);
    CHECK(counts.blocked == 0);
  }
}

TEST_CASE("readers of one word make one trace, with a writer one for each way to split them") {
  Program program;
  program.actors = 3;
  program.code[1] = {load(0)};
  program.code[2] = {load(0)};
  CHECK(reduced_counts(program).complete == 1);
  program.code[3] = {store(0, 1)};
  CHECK(reduced_counts(program).complete == 4);
}

TEST_CASE("lastzero of two writers, without its early end, has 7 traces") {
  // Each writer reads a[i-1] and writes a[i]; lastzero reads from the end.
  Program program;
  program.actors = 3;
  program.code[1] = {load(2), load(1)};
  program.code[2] = {load(0), store(1, 1)};
  program.code[3] = {load(1), store(2, 2)};
  // Word 1 has a write and two reads, word 2 a write and a read: 2 * 2 * 2 orders. One is cyclic: lastzero's read of
  // word 1 before its write, that before actor 3's read, and so before the write of word 2, that before lastzero's
  // first.
  CHECK(reduced_counts(program).complete == 7);
}

TEST_CASE("n lanes that take one lock once make n! traces") {
  Program program;
  program.actors = 3;
  for (unsigned actor = 1; actor <= 3; ++actor) program.code[actor] = {lock(0), store(0, 1), unlock(0)};
  const SearchCounts counts = reduced_counts(program);
  CHECK(counts.complete == 6);
}

TEST_CASE("two locks in two orders: both orders and one deadlock") {
  const Program program = two({lock(0), lock(1), unlock(1), unlock(0)}, {lock(1), lock(0), unlock(0), unlock(1)});
  ReducedSearch search;
  const std::set<Final> finals = finals_of(program, search);
  CHECK(search.counts().complete == 3);
  unsigned deadlocks = 0;
  for (const Final& final : finals) deadlocks += (final.failures & kDeadlock) != 0 ? 1 : 0;
  CHECK(deadlocks == 1);
}

TEST_CASE("an interrupt comes before, between or after the steps of its vCPU, once unmasked") {
  // A sender, and a receiver that enables its interrupts and does two more steps; the handler has one step.
  Program program = two({kick(2)}, {{OpKind::kDisable}, {OpKind::kEnable}, load(0), load(0)});
  program.handler[2] = {store(0, 1)};
  // The kick comes before disable (and the handler then or only after enable), between or after enable. Handlers:
  // before disable 1; after enable, after 0, 1 or 2 of the loads: 3, for each place of the kick: before, between,
  // after.
  CHECK(reduced_counts(program).complete == 1 + 3 * 3);
}

TEST_CASE("a step that would touch something else in the other order stands for itself alone") {
  // After the xor the compare-exchange fails, so it only reads, and commutes with the handler's load.
  Program program = two({{OpKind::kEnable}, {OpKind::kCompareSwap, 0, 0, 0xff, 3, 0}},
                        {kick(1), {OpKind::kXor, 0, 0, 1}, store(0, 2)});
  program.handler[1] = {{OpKind::kLoad, 0, 0, 2}};
  program.handler[1][0].joined = true;
  expect_exact_but_for(program, ReducerDefect::kSameSecond);
}

TEST_CASE("what a lane waits for in vain may have been there for a while") {
  // The handler sets the bit that its vCPU waits for, actor 3 clears it, all before the handler has ended: that the
  // vCPU would have gone on in between is seen nowhere in such a run.
  Program program;
  program.actors = 3;
  program.awaits_change = true;
  program.code[1] = {{OpKind::kAwait, 0, 0, 2, 2}, lock(1)};
  program.code[2] = {kick(1), {OpKind::kCompareSwap, 0, 0, 0xff, 0, 1}};
  program.code[3] = {lock(1), {OpKind::kAdd, 0, 0, 0xff, 2}, lock(1)};
  program.handler[1] = {{OpKind::kAdd, 0, 0, 0xff, 2}, {OpKind::kPause}};
  expect_exact_but_for(program, ReducerDefect::kPendingLookMissed);
}

TEST_CASE("a bound counts preemptions") {
  // 1122; with one preemption 1221 and 2211; with two 1212 and 2112; with three 2121.
  const Program program = writers(2);
  const uint64_t runs[] = {1, 3, 5, 6, 6};
  for (unsigned preemptions = 0; preemptions < 5; ++preemptions) {
    BoundedSearch search({preemptions, false, ReducerDefect::kNone});
    finals_of(program, search);
    CHECK(search.counts().complete == runs[preemptions]);
  }
}

TEST_CASE("the estimate comes near the number of runs") {
  const Program program = writers(4);
  Estimate estimate(1);
  for (unsigned probe = 0; probe < 20000; ++probe) run(program, estimate);
  CHECK(estimate.probes() == 20000);
  CHECK(estimate.mean() == doctest::Approx(70).epsilon(0.03));
  BoundedSearch search({1, false, ReducerDefect::kNone});
  finals_of(program, search);
  Estimate bounded(2, 1);
  for (unsigned probe = 0; probe < 20000; ++probe) run(program, bounded);
  CHECK(bounded.mean() == doctest::Approx(static_cast<double>(search.counts().complete)).epsilon(0.03));
}

TEST_CASE("the same search makes the same runs") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Program program = generate(seed);
    ReducedSearch first;
    ReducedSearch second;
    while (first.next()) {
      REQUIRE(second.next());
      run(program, first);
      run(program, second);
      CHECK(first.choices() == second.choices());
    }
    CHECK_FALSE(second.next());
  }
}

TEST_CASE("sub-trees together find what the whole search finds") {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Program program = generate(seed);
    ReducedSearch whole;
    const std::set<Final> finals = finals_of(program, whole);
    std::set<Final> joined;
    for (uint64_t first = State(program).runnable(); first != 0; first &= first - 1) {
      ReducedSearch part;
      part.restrict_to({static_cast<unsigned>(std::countr_zero(first))});
      const std::set<Final> some = finals_of(program, part);
      joined.insert(some.begin(), some.end());
    }
    const bool same = finals == joined;
    CHECK(same);
  }
}

TEST_CASE("a machine that is not deterministic ends the search") {
  struct Case {
    Fickle::Change change;
    SearchDivergence::Kind kind;
  };
  const Case cases[] = {{Fickle::Change::kRunnable, SearchDivergence::Kind::kRunnable},
                        {Fickle::Change::kFootprint, SearchDivergence::Kind::kFootprint},
                        {Fickle::Change::kEnd, SearchDivergence::Kind::kEndedEarly}};
  for (const Case& each : cases) {
    Fickle machine(each.change);
    ReducedSearch search;
    unsigned runs = 0;
    while (search.next() && ++runs < 100) machine.run(search);
    CHECK(runs == 2);
    REQUIRE(search.diverged().has_value());
    CHECK(search.diverged()->kind == each.kind);
    CHECK(search.diverged()->step == 0);
  }
}

TEST_CASE("a prefix that cannot run is a divergence") {
  ReducedSearch search;
  search.restrict_to({7});
  const Program program = writers(1);
  finals_of(program, search);
  REQUIRE(search.diverged().has_value());
  CHECK(search.diverged()->kind == SearchDivergence::Kind::kFixedNotRunnable);
}
