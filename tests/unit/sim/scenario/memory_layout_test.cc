// Where a guest's memory lies: the hole below 4 GiB, and the toolstack's pages in it.
#include "sim/scenario/memory_layout.h"

#include <doctest/doctest.h>

using namespace xensim::sim;
using xensim::Gpa;

TEST_CASE("small memory is one piece, the toolstack's pages come behind it in the block") {
  const auto bare = memory_pieces(64 << 20, false);
  REQUIRE(bare.size() == 1);
  CHECK(bare[0].bytes == 64 << 20);
  const auto pieces = memory_pieces(64 << 20, true);
  REQUIRE(pieces.size() == 3);
  CHECK(pieces[1].base == kAcpiBase);
  CHECK(pieces[1].offset == 64 << 20);
  CHECK(pieces[2].base == kSpecialPages);
  CHECK(pieces[2].offset == (64 << 20) + kAcpiBytes);
}

TEST_CASE("what does not fit below the hole goes on at 4 GiB") {
  const auto pieces = memory_pieces(uint64_t{16} << 30, false);
  REQUIRE(pieces.size() == 2);
  CHECK(pieces[0].bytes == kLowRamEnd);
  CHECK(pieces[1].base == Gpa{kHighRamBase});
  CHECK(pieces[1].bytes == (uint64_t{16} << 30) - kLowRamEnd);
  CHECK(pieces[1].offset == kLowRamEnd);
}
