// The gate of the searches: in small programs they find exactly what brute force finds; XENSIM_GATE_PROGRAMS says in
// how many. And with any of their seeded defects they do not, or the gate would prove nothing.
#include "tests/unit/sim/explore/search/gate.h"

#include <doctest/doctest.h>

#include <set>
#include <span>
#include <string>

#include "sim/explore/search/bounded.h"
#include "sim/explore/search/reduced.h"
#include "tests/unit/sim/explore/search/brute_force.h"
#include "tests/unit/sim/explore/search/generator.h"

using namespace xensim::sim;
using namespace xensim::sim::small;

namespace {

constexpr unsigned kEnough = 1000;  // preemptions: no bound

// The first of the gate's programs, counted from 1, of which holds(program, everything); 0: none.
template <class Holds>
uint64_t first_program(uint64_t programs, Holds&& holds) {
  for (uint64_t seed = 0; seed < programs; ++seed) {
    const Program program = generate(seed);
    const Everything everything = brute_force(program, kMostRuns);
    if (!everything.complete) continue;
    INFO("seed ", seed, "\n", describe(program));
    if (holds(program, everything)) return seed + 1;
  }
  return 0;
}

// Calls check(program, everything) for each program of the gate that brute force can deal with.
template <class Check>
void for_each_program(uint64_t programs, Check&& check) {
  first_program(programs, [&](const Program& program, const Everything& everything) {
    check(program, everything);
    return false;
  });
}

std::set<Final> bounded_finals(const Program& program, const BoundedOptions& options) {
  BoundedSearch search(options);
  return finals_of(program, search);
}

// The first program, counted from 1, in which the search with this defect finds other states than there are; 0: none.
uint64_t program_that_catches(ReducerDefect defect) {
  return first_program(1000, [&](const Program& program, const Everything& everything) {
    ReducedSearch search(defect);
    return finals_of(program, search) != everything.finals;
  });
}

uint64_t program_that_catches_in_cache(ReducerDefect defect) {
  return first_program(1000, [&](const Program& program, const Everything&) {
    for (unsigned preemptions = 0; preemptions <= 3; ++preemptions) {
      const std::set<Final> without = bounded_finals(program, {preemptions, false, ReducerDefect::kNone});
      if (bounded_finals(program, {preemptions, true, defect}) != without) return true;
    }
    return false;
  });
}

struct Seeded {
  ReducerDefect defect;
  std::string name;
};

void check_caught(std::span<const Seeded> defects, uint64_t (*program_that_catches_it)(ReducerDefect)) {
  for (const Seeded& seeded : defects) {
    INFO(seeded.name);
    CHECK(program_that_catches_it(seeded.defect) > 0);
  }
}

}  // namespace

TEST_CASE("reduced search runs each trace once, and finds what brute force finds") {
  uint64_t programs = 0;
  uint64_t with_failures = 0;
  uint64_t with_blocked = 0;
  for_each_program(programs_to_check(), [&](const Program& program, const Everything& everything) {
    ReducedSearch search;
    const std::set<Final> finals = finals_of(program, search);
    const bool same = finals == everything.finals;
    CHECK_FALSE(search.diverged().has_value());
    CHECK(same);
    CHECK(search.counts().complete == everything.traces.size());
    CHECK(search.counts().runs == search.counts().complete + search.counts().blocked);
    ++programs;
    if (search.counts().blocked != 0) ++with_blocked;
    for (const Final& final : finals) {
      if (final.failures == 0) continue;
      ++with_failures;
      break;
    }
  });
  MESSAGE(programs, " programs, ", with_failures, " with failures, ", with_blocked, " with blocked runs");
  CHECK(with_failures * 10 > programs);
}

TEST_CASE("bounded search loses nothing by its cache") {
  for_each_program(programs_to_check(), [&](const Program& program, const Everything& everything) {
    for (unsigned preemptions = 0; preemptions <= 3; ++preemptions) {
      BoundedSearch cached({preemptions, true, ReducerDefect::kNone});
      BoundedSearch plain({preemptions, false, ReducerDefect::kNone});
      const bool same = finals_of(program, cached) == finals_of(program, plain);
      CHECK(same);
      CHECK(cached.counts().complete <= plain.counts().complete);
    }
    const bool all = bounded_finals(program, {kEnough, true, ReducerDefect::kNone}) == everything.finals;
    CHECK(all);
  });
}

TEST_CASE("without bound and cache a search makes brute force's runs") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Program program = generate(seed);
    const Everything everything = brute_force(program, kMostRuns);
    if (!everything.complete) continue;
    BoundedSearch search({kEnough, false, ReducerDefect::kNone});
    const bool same = finals_of(program, search) == everything.finals;
    CHECK(same);
    CHECK(search.counts().complete == everything.runs);
  }
}

TEST_CASE("reduced search finds a failure that ends the run") {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Program program = generate(seed);
    program.stops_at_failure = true;
    const Everything everything = brute_force(program, kMostRuns);
    if (!everything.complete) continue;
    ReducedSearch search;
    uint8_t found = 0;
    for (const Final& final : finals_of(program, search)) found |= final.failures;
    uint8_t there = 0;
    for (const Final& final : everything.finals) there |= final.failures;
    INFO("seed ", seed, "\n", describe(program));
    CHECK((found != 0) == (there != 0));
  }
}

TEST_CASE("the gate catches each seeded defect of reduced search") {
  const Seeded defects[] = {
      {ReducerDefect::kMasksDisjoint, "masks disjoint"},
      {ReducerDefect::kFailedTryIgnored, "failed try-lock ignored"},
      {ReducerDefect::kClockIgnored, "clock ignored"},
      {ReducerDefect::kReadBeforeWrite, "read before write"},
      {ReducerDefect::kSharedLockIgnored, "shared lock ignored"},
      {ReducerDefect::kUnlockAsPartner, "unlock as partner"},
      {ReducerDefect::kPendingLockMissed, "pending lock missed"},
      {ReducerDefect::kTakenTurnMissed, "taken turn missed"},
      {ReducerDefect::kEnablerIsPartner, "enabler is partner"},
      {ReducerDefect::kLastRaceOnly, "last race only"},
      {ReducerDefect::kFirstReadSkipped, "first read skipped"},
      {ReducerDefect::kInitialsUnordered, "initials unordered"},
      {ReducerDefect::kSleepNeverWoken, "sleep never woken"},
      {ReducerDefect::kSleepWokenByWrite, "sleep woken by writes alone"},
  };
  check_caught(defects, program_that_catches);
}

TEST_CASE("the gate catches each seeded defect of bounded search") {
  const Seeded defects[] = {
      {ReducerDefect::kBudgetNotInKey, "budget not in key"},
      {ReducerDefect::kLaneNotInKey, "lane not in key"},
      {ReducerDefect::kHashWithoutConflicts, "hash without conflicts"},
      {ReducerDefect::kMasksDisjoint, "masks disjoint"},
      {ReducerDefect::kClockIgnored, "clock ignored"},
  };
  check_caught(defects, program_that_catches_in_cache);
}
