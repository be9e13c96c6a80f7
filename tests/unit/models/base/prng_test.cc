// The generator: its published values, its bounds, and that its state is all there is to it. Schedules and golden
// hashes depend on every bit of it.
#include "models/base/prng.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>

namespace xensim {
namespace {

TEST_CASE("the generator gives SplitMix64's published values") {
  // Seed 1234567: the test vector that SplitMix64's implementations share.
  Prng prng(1234567);
  CHECK(prng.next() == 6457827717110365317u);
  CHECK(prng.next() == 3203168211198807973u);
  CHECK(prng.next() == 9817491932198370423u);
  CHECK(prng.next() == 4593380528125082431u);
  CHECK(prng.next() == 16408922859458223821u);
}

TEST_CASE("the default seed 0 gives its known first values") {
  Prng prng(0);
  CHECK(prng.next() == 0xe220a8397b1dcdafu);
  CHECK(prng.next() == 0x6e789e6aa1b965f4u);
  CHECK(prng.next() == 0x06c45d188009454fu);
}

TEST_CASE("a bounded number is within its bound and reaches both ends") {
  Prng prng(42);
  std::array<unsigned, 7> count{};
  for (int i = 0; i < 7000; i++) {
    const uint64_t n = prng.below(7);
    REQUIRE(n < 7);
    count[n]++;
  }
  for (const unsigned c : count) CHECK((c > 850 && c < 1150));
  CHECK(prng.below(1) == 0);
  const uint64_t large = uint64_t{1} << 63;
  for (int i = 0; i < 100; i++) REQUIRE(prng.below(large) < large);
}

TEST_CASE("a bounded number is the high word of next() times the bound") {
  Prng a(9), b(9);
  for (int i = 0; i < 100; i++) REQUIRE(a.below(uint64_t{1} << 32) == b.next() >> 32);
}

TEST_CASE("the state saved and set again gives the same sequence") {
  Prng prng(99);
  prng.next();
  const uint64_t state = prng.state();
  const uint64_t first = prng.next(), second = prng.next();
  Prng other(0);
  other.set_state(state);
  CHECK(other.next() == first);
  CHECK(other.next() == second);
}

TEST_CASE("the generator is usable in constant expressions") {
  static_assert(Prng(1).next() == Prng(1).next());
  constexpr uint64_t kFirst = Prng(1).next();
  CHECK(Prng(1).next() == kFirst);
}

}  // namespace
}  // namespace xensim
