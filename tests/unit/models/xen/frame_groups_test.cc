// Groups of frames, and the counters of references in them: against a map of the library, and made by several threads
// at once.
#include "models/xen/frame_groups.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "models/base/check.h"
#include "models/base/prng.h"
#include "models/xen/page_references.h"

using namespace xensim;
using xen::FrameGroups;
using xen::PageReferences;

namespace {

// One copy of `body` on each of 4 threads, all begun together.
void on_threads(const std::function<void(unsigned)>& body) {
  std::barrier started(4);
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      started.arrive_and_wait();
      body(number);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("frame groups: frames far apart, and those that share a list, are told apart") {
  FrameGroups<std::atomic<uint64_t>> groups(0);
  const std::vector<uint64_t> frames = {0, 63, 64, 4 * 64, 8 * 64, (uint64_t{1} << 52) - 1, ~uint64_t{0}};
  for (const uint64_t frame : frames) CHECK(groups.find(frame) == nullptr);
  for (const uint64_t frame : frames) groups.make(frame).fetch_or(uint64_t{1} << xen::index_in_group(frame));
  CHECK(groups.find(0)->load() == (uint64_t{1} | uint64_t{1} << 63));
  CHECK(groups.find(64)->load() == 1);
  CHECK(groups.find(4 * 64 + 5)->load() == 1);
  CHECK(groups.find(12 * 64) == nullptr);
  CHECK(&groups.make(63) == groups.find(0));
  size_t count = 0;
  groups.for_each([&](uint64_t first, std::atomic<uint64_t>& bits) {
    CHECK(groups.find(first) == &bits);
    ++count;
  });
  CHECK(count == 6);
}

TEST_CASE("references: random users agree with a map of the library") {
  Prng prng(3);
  PageReferences references(100);
  std::map<uint64_t, uint32_t> model;
  uint64_t total = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t frame = prng.below(2) == 0 ? prng.below(200) : prng.below(100'000);
    if (prng.below(2) == 0 && model[frame] != 0) {
      references.drop(frame);
      --model[frame];
      --total;
    } else {
      references.take(frame);
      ++model[frame];
      ++total;
    }
    const uint64_t other = prng.below(200);
    REQUIRE(references.count(other) == model[other]);
    if (i % 1000 == 0) REQUIRE(references.total() == total);
  }
  CHECK(references.total() == total);
  CHECK_THROWS_AS(references.drop(1'000'000), CheckFailure);
}

// Each thread makes groups that others look for at the same moment, in lists that all of them push to.
TEST_CASE("references: users of the same new pages on four threads add up") {
  for (int round = 0; round < 20; ++round) {
    PageReferences references(0);
    on_threads([&](unsigned number) {
      Prng prng(number);
      for (uint64_t page = 0; page < 400; ++page) references.take(page * 37);
      for (int i = 0; i < 300; ++i) {
        const uint64_t frame = prng.below(400) * 37;
        references.take(frame);
        XS_CHECK(references.contains(frame));
        references.drop(frame);
      }
    });
    CHECK(references.total() == 4 * 400);
    for (uint64_t page = 0; page < 400; ++page) REQUIRE(references.count(page * 37) == 4);
    on_threads([&](unsigned) {
      for (uint64_t page = 0; page < 400; ++page) references.drop(page * 37);
    });
    CHECK_FALSE(references.any());
  }
}
