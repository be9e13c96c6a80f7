// 100,000 random hypercalls from hostile guests: none may crash, leak a pin or break an invariant, and a seed gives the
// same run.
#include <doctest/doctest.h>

#include "models/base/prng.h"
#include "tests/unit/models/xen/hypercall_storm.h"

namespace xensim {
namespace {

StormReport storm(uint64_t seed, uint64_t numbers) {
  Prng prng(seed);
  uint64_t used = 0;
  return run_storm({.next =
                        [&] {
                          ++used;
                          return prng.next();
                        },
                    .more = [&] { return used < numbers; }});
}

TEST_CASE("hostile guests") {
  const StormReport report = storm(1, 2'000'000);
  CHECK(report.calls > 100'000);
  CHECK(report.succeeded > report.calls / 10);
  CHECK(report.broken.empty());
  for (const std::string& line : report.broken) MESSAGE(line);
}

TEST_CASE("the same seed, the same results") {
  const StormReport first = storm(7, 50'000);
  CHECK(first.digest == storm(7, 50'000).digest);
  CHECK(first.digest != storm(8, 50'000).digest);
}

}  // namespace
}  // namespace xensim
