// Workers: who runs what, what comes back, and what happens when one dies.
#include "sim/process/workers.h"

#include <doctest/doctest.h>

#include <csignal>
#include <vector>

namespace xensim::sim {
namespace {

// Each schedule has its number as points; from `failing` on all fail.
ShareResult count(const Share& share, uint64_t failing) {
  ShareResult result;
  for (uint64_t number = share.first; number < share.end; number += share.step) {
    result.points.push_back(number + share.length);
    if (number >= failing) {
      result.failed = number;
      break;
    }
  }
  return result;
}

TEST_CASE("workers take turns over the schedules, and say which of theirs failed first") {
  auto workers = Workers::start(3, [](const Share& share) { return count(share, 17); });
  REQUIRE(workers.has_value());
  const auto first = (*workers)->run(0, 8, 100);
  REQUIRE(first.has_value());
  REQUIRE(first->size() == 3);
  CHECK((*first)[0].points == std::vector<uint64_t>{100, 103, 106});
  CHECK((*first)[2].points == std::vector<uint64_t>{102, 105});
  CHECK_FALSE((*first)[0].failed.has_value());
  const auto second = (*workers)->run(8, 30, 0);
  REQUIRE(second.has_value());
  CHECK((*second)[0].failed == 17);
  CHECK((*second)[1].failed == 18);
  CHECK((*second)[2].failed == 19);
}

TEST_CASE("many results pass through the pipe") {
  auto workers = Workers::start(2, [](const Share& share) { return count(share, ~uint64_t{0}); });
  REQUIRE(workers.has_value());
  const auto results = (*workers)->run(0, 100'000, 0);
  REQUIRE(results.has_value());
  CHECK((*results)[1].points.size() == 50'000);
  CHECK((*results)[1].points.back() == 99'999);
}

TEST_CASE("a worker that dies is an error of one line") {
  auto workers = Workers::start(2, [](const Share& share) {
    if (share.first % 2 == 1) raise(SIGKILL);
    return count(share, ~uint64_t{0});
  });
  REQUIRE(workers.has_value());
  const auto results = (*workers)->run(0, 10, 0);
  REQUIRE_FALSE(results.has_value());
  CHECK(results.error().kind == ErrorKind::kEnvironment);
  CHECK(results.error().message.find("ended with signal 9") != std::string::npos);
}

}  // namespace
}  // namespace xensim::sim
