// Schedules as text, the strategies, and shrinking.
#include "sim/explore/strategies/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <set>

#include "sim/explore/explore.h"
#include "sim/explore/strategies/strategies.h"

using namespace xensim;
using namespace xensim::sim;

namespace {

Schedule sample() {
  Schedule schedule;
  schedule.scenario = "poller";
  schedule.hash = "0123456789abcdef";
  schedule.decisions = {{"d1v1", "rmw poll_mask", 1, "d1v0"}, {"d1v0", "b \"q\" #3 -> x.c:5 load", 12, "timers"}};
  return schedule;
}

constexpr PointKey kPausing{PointOp::kPause, 0, nullptr};

Choice at(unsigned current, uint64_t runnable, const PointKey& key = kNowhere) {
  return {1, {}, current, runnable, key, 1};
}

}  // namespace

TEST_CASE("a schedule survives its text") {
  const auto parsed = parse_schedule("file", format_schedule(sample()));
  REQUIRE(parsed.has_value());
  CHECK(*parsed == sample());
}

TEST_CASE("a malformed schedule is refused with file and line") {
  const std::string good = format_schedule(sample());
  struct Case {
    std::string text, says;
  };
  const Case cases[] = {
      {"", "file: is empty"},
      {"hello\n", "file:1: is not a schedule"},
      {"# xensim schedule 1\n", "file:1: is not a schedule"},
      {good + "d1v1 at x\n", "file:6: a decision has the form"},
      {good + "d1v1 @ \"x\" #0 -> d1v0\n", "file:6: a decision has the form"},
      {good + "d1v1 @ \"x\" #1x -> d1v0\n", "file:6: a decision has the form"},
      {good + "d1v1 @ \"x\" #1 -> \n", "file:6: a decision has the form"},
      {good + " @ \"x\" #1 -> d1v0\n", "file:6: a decision has the form"},
  };
  for (const Case& each : cases) {
    const auto parsed = parse_schedule("file", each.text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK_MESSAGE(parsed.error().message.find(each.says) == 0, parsed.error().message);
    CHECK(parsed.error().kind == ErrorKind::kInput);
  }
}

TEST_CASE("every strategy chooses among those that can run, and the same for the same seed") {
  for (const uint64_t seed : {0u, 1u, 77u}) {
    std::unique_ptr<Strategy> pairs[][2] = {{make_random(seed), make_random(seed)},
                                            {make_pct(seed, 3, 100), make_pct(seed, 3, 100)},
                                            {make_round_robin(seed), make_round_robin(seed)}};
    for (auto& pair : pairs) {
      Prng prng(seed);
      unsigned current = 1;
      for (uint64_t step = 1; step < 500; ++step) {
        const uint64_t runnable = (prng.next() & 0xfe) | 0x80;
        Choice choice = at(current, runnable);
        choice.step = step;
        const unsigned chosen = pair[0]->choose(choice);
        REQUIRE(((runnable >> chosen) & 1) == 1);
        REQUIRE(pair[1]->choose(choice) == chosen);
        current = chosen;
      }
    }
  }
}

TEST_CASE("random reaches everybody and who spins gives way") {
  const auto strategy = make_random(5);
  std::set<unsigned> chosen;
  for (int i = 0; i < 200; ++i) chosen.insert(strategy->choose(at(1, 0b1110)));
  CHECK(chosen == std::set<unsigned>{1, 2, 3});
  for (int i = 0; i < 50; ++i) CHECK(strategy->choose(at(1, 0b110, kPausing)) == 2);
}

TEST_CASE("pct of depth 1 never cuts an actor that can go on") {
  const auto strategy = make_pct(9, 1, 100);
  const unsigned first = strategy->choose(at(1, 0b1110));
  for (int i = 0; i < 100; ++i) CHECK(strategy->choose(at(first, 0b1110)) == first);
}

TEST_CASE("replay follows its decisions at the named occurrence, and only once") {
  ReplayStrategy strategy({{"a", "f.c:1 load", 2, "b"}}, {"machine", "a", "b"});
  const PointKey load{PointOp::kGuest, 0, "f.c:1 load"};
  Choice choice = at(1, 0b110, load);
  CHECK(strategy.choose(choice) == 1);
  choice.occurrence = 2;
  CHECK(strategy.choose(choice) == 2);
  CHECK(strategy.choose(choice) == 1);
  REQUIRE(strategy.used().size() == 1);
  CHECK(strategy.used()[0].decision.to == "b");
}

TEST_CASE("noted decisions are those that differ from the default") {
  const auto inner = make_random(3);
  NotingStrategy noting(*inner, {"machine", "a", "b"});
  unsigned current = 1;
  size_t other = 0;
  for (int i = 0; i < 40; ++i) {
    const unsigned chosen = noting.choose(at(current, 0b110, {PointOp::kGuest, 0, "p"}));
    if (chosen != current) ++other;
    current = chosen;
  }
  CHECK(other > 0);
  CHECK(noting.decisions().size() == other);
}

TEST_CASE("shrinking keeps what is needed and nothing else") {
  std::vector<Decision> all;
  for (uint64_t i = 1; i <= 37; ++i) all.push_back({"a", "p", i, "b"});
  int runs = 0;
  const auto shrunk = shrink_decisions(all, [&](const std::vector<Decision>& some) {
    ++runs;
    const auto has = [&](uint64_t n) {
      return std::any_of(some.begin(), some.end(), [n](const auto& d) { return d.occurrence == n; });
    };
    return has(5) && has(30);
  });
  REQUIRE(shrunk.size() == 2);
  CHECK(shrunk[0].occurrence == 5);
  CHECK(shrunk[1].occurrence == 30);
  CHECK(runs < 200);
}

TEST_CASE("a failure that needs no decision shrinks to none") {
  std::vector<Decision> all(9, Decision{"a", "p", 1, "b"});
  CHECK(shrink_decisions(all, [](const auto&) { return true; }).empty());
}
