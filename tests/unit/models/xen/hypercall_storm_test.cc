// Random hypercalls from hostile guests: none may crash, leak a pin, break an invariant or read a guest's word twice,
// and a seed gives the same run.
#include <doctest/doctest.h>

#include "models/base/prng.h"
#include "tests/unit/models/xen/fake_platform.h"
#include "tests/unit/models/xen/fetch_watch.h"
#include "tests/unit/models/xen/hypercall_storm.h"

namespace xensim {
namespace {

StormReport storm(uint64_t seed, uint64_t numbers, const StormOptions& options = {}) {
  Prng prng(seed);
  uint64_t used = 0;
  return run_storm({.next =
                        [&] {
                          ++used;
                          return prng.next();
                        },
                    .more = [&] { return used < numbers; }},
                   options);
}

void show(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) MESSAGE(line);
}

TEST_CASE("hostile guests") {
  for (const std::string flavour : {"xen", "kvm"}) {
    CAPTURE(flavour);
    const StormReport report = storm(1, 2'000'000, {.flavour = *xen::flavour_by_name(flavour)});
    CHECK(report.calls > 50'000);
    CHECK(report.succeeded > report.calls / 12);
    CHECK(report.machines > 3);
    CHECK(report.broken.empty());
    show(report.broken);
  }
}

TEST_CASE("no hypercall reads a word of the guest's twice") {
  for (const std::string flavour : {"xen", "kvm"}) {
    CAPTURE(flavour);
    const StormReport report = storm(2, 1'000'000, {.flavour = *xen::flavour_by_name(flavour), .tidy = true});
    CHECK(report.calls > 20'000);
    CHECK(report.refetched.empty());
    show(report.refetched);
  }
}

TEST_CASE("a core that is saved and restored again and again goes on as if it had not been") {
  for (const std::string flavour : {"xen", "kvm"}) {
    CAPTURE(flavour);
    StormOptions options{.flavour = *xen::flavour_by_name(flavour)};
    const StormReport plain = storm(3, 120'000, options);
    options.round_trip_every = 7;
    const StormReport restored = storm(3, 120'000, options);
    show(restored.broken);
    CHECK(restored.broken.empty());
    CHECK(restored.calls == plain.calls);
    CHECK(restored.digest == plain.digest);
  }
}

TEST_CASE("the watch sees a double fetch") {
  FakePlatform inner;
  FetchWatch watch(inner);
  std::array<std::byte, 16> buffer;
  watch.begin("test");
  watch.read(xen::Site::kHypercallArgs, Maddr{0x1000}, buffer);
  watch.load(xen::Site::kEvtchnPending, Maddr{0x2000}, 8);
  watch.load(xen::Site::kEvtchnPending, Maddr{0x2000}, 8);
  CHECK(watch.findings().empty());
  watch.load(xen::Site::kHypercallArgs, Maddr{0x100c}, 4);
  REQUIRE(watch.findings().size() == 1);
  CHECK(FetchWatch::describe(watch.findings()[0]) == "test reads machine address 0x100c twice: args, then args");
  watch.begin("the next call");
  watch.read(xen::Site::kHypercallArgs, Maddr{0x1000}, buffer);
  watch.end();
  CHECK(watch.findings().size() == 1);
}

TEST_CASE("the same seed, the same results") {
  const StormReport first = storm(7, 50'000);
  CHECK(first.digest == storm(7, 50'000).digest);
  CHECK(first.digest != storm(8, 50'000).digest);
}

}  // namespace
}  // namespace xensim
