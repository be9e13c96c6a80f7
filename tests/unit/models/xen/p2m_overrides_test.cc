// The tree of what a domain's map has otherwise than at creation: against a map of the library, and under lookups from
// other threads.
#include "models/xen/p2m_overrides.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "models/base/prng.h"

using namespace xensim;
using xen::P2mEntry;
using xen::P2mOverrides;
using xen::PageType;

namespace {

constexpr P2mEntry kPage{PageType::kGrantRw, Mfn{0x1234}};

std::optional<uint64_t> highest_page(const std::map<uint64_t, P2mEntry>& model) {
  for (auto at = model.rbegin(); at != model.rend(); ++at) {
    if (!at->second.is_hole()) return at->first;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("overrides: nothing was set, and the ends of the space") {
  P2mOverrides overrides;
  for (const uint64_t gfn : {uint64_t{0}, uint64_t{63}, xen::kMaxGfn - 1, xen::kMaxGfn, ~uint64_t{0}}) {
    CHECK_FALSE(overrides.find(gfn).has_value());
  }
  CHECK(overrides.all().empty());
  CHECK_FALSE(overrides.highest_page().has_value());

  overrides.set(0, kPage);
  overrides.set(xen::kMaxGfn - 1, P2mEntry{});
  CHECK(overrides.find(0) == kPage);
  CHECK(overrides.find(xen::kMaxGfn - 1) == P2mEntry{});
  CHECK_FALSE(overrides.find(xen::kMaxGfn).has_value());
  CHECK_FALSE(overrides.find(~uint64_t{0}).has_value());
  CHECK(overrides.highest_page() == 0);
  CHECK(overrides.all().size() == 2);

  overrides.clear(0);
  CHECK_FALSE(overrides.find(0).has_value());
  CHECK_FALSE(overrides.highest_page().has_value());
}

TEST_CASE("overrides: each kind of entry comes back as it was set") {
  P2mOverrides overrides;
  const Mfn last{(uint64_t{1} << 52) - 1};
  for (const PageType type :
       {PageType::kHole, PageType::kRam, PageType::kGrantRw, PageType::kGrantRo, PageType::kForeign}) {
    overrides.set(77, P2mEntry{type, last});
    CHECK(overrides.find(77) == P2mEntry{type, last});
  }
}

TEST_CASE("overrides: random changes near and far agree with a map of the library") {
  Prng prng(11);
  P2mOverrides overrides;
  std::map<uint64_t, P2mEntry> model;
  for (int i = 0; i < 60'000; ++i) {
    const uint64_t gfn = prng.below(4) == 0 ? prng.below(xen::kMaxGfn) : prng.below(2) << 20 | prng.below(200);
    if (prng.below(5) < 2) {
      overrides.clear(gfn);
      model.erase(gfn);
    } else {
      const P2mEntry entry{static_cast<PageType>(prng.below(5)), Mfn{prng.below(1 << 30)}};
      overrides.set(gfn, entry);
      model[gfn] = entry;
    }
    const uint64_t other = prng.below(2) << 20 | prng.below(200);
    const auto expected = model.find(other);
    REQUIRE(overrides.find(other) == (expected == model.end() ? std::nullopt : std::optional(expected->second)));
  }
  const auto all = overrides.all();
  CHECK(std::map<uint64_t, P2mEntry>(all.begin(), all.end()) == model);
  CHECK(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; }));
  CHECK(overrides.highest_page() == highest_page(model));
}

TEST_CASE("overrides: a page that is moved all over the space leaves no nodes behind") {
  P2mOverrides overrides;
  overrides.set(5, kPage);
  Prng prng(3);
  size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t gfn = prng.below(xen::kMaxGfn);
    overrides.set(gfn, kPage);
    overrides.clear(gfn);
    most = std::max(most, overrides.nodes());
  }
  CHECK(most <= 256 + 6);
  CHECK(overrides.find(5) == kPage);
  CHECK(overrides.all().size() == 1);
}

TEST_CASE("overrides: a lookup on another thread finds what does not change, whatever else does") {
  P2mOverrides overrides;
  constexpr uint64_t kFixed[] = {3, 0x50001, 0x7'0000'0001};
  for (const uint64_t gfn : kFixed) overrides.set(gfn, P2mEntry{PageType::kRam, Mfn{gfn}});
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  std::atomic<uint64_t> lookups{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      do {
        for (const uint64_t gfn : kFixed) {
          if (overrides.find(gfn) != P2mEntry{PageType::kRam, Mfn{gfn}}) ++wrong;
          // Comes and goes, but never is anything else.
          const auto passing = overrides.find(gfn ^ 0x1000);
          if (passing && *passing != kPage) ++wrong;
        }
        ++lookups;
      } while (!stop.load());
    });
  }
  Prng prng(5);
  for (int i = 0; i < 20'000 || lookups.load() < 100; ++i) {
    const uint64_t gfn = prng.below(2) == 0 ? prng.below(xen::kMaxGfn) : kFixed[prng.below(3)] ^ 0x1000;
    overrides.set(gfn, kPage);
    overrides.clear(gfn);
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
}
