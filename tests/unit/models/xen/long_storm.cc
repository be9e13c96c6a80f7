// The long storm: random hypercalls by the million. A program of its own, so that it can run as long as one likes:
//   long_storm [CALLS [SEED]]    (default: 10 million calls, seed 1)
// Half of them go to flavour xen, half to kvm. Exit status 1 where an invariant broke.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "models/base/prng.h"
#include "tests/unit/models/xen/hypercall_storm.h"

namespace xensim {
namespace {

constexpr uint64_t kPart = 250'000;  // numbers drawn between two looks at how many calls were made

// Gives the calls made; 0: something broke, and was printed.
uint64_t run_part(const char* flavour, uint64_t seed) {
  Prng prng(seed);
  uint64_t used = 0;
  StormOptions options{.flavour = *xen::flavour_by_name(flavour)};
  options.check_every = 512;
  const StormReport report = run_storm({.next =
                                            [&] {
                                              ++used;
                                              return prng.next();
                                            },
                                        .more = [&] { return used < kPart; }},
                                       options);
  for (const std::string& line : report.broken) {
    std::fprintf(stderr, "flavour %s, seed %" PRIu64 ": %s\n", flavour, seed, line.c_str());
  }
  return report.broken.empty() ? report.calls : 0;
}

int storm(uint64_t wanted, uint64_t seed) {
  uint64_t calls = 0;
  for (; calls < wanted; ++seed) {
    const uint64_t made = run_part(seed % 2 == 0 ? "kvm" : "xen", seed);
    if (made == 0) return 1;
    calls += made;
  }
  std::printf("%" PRIu64 " hypercalls of hostile guests: no invariant broke\n", calls);
  return 0;
}

}  // namespace
}  // namespace xensim

int main(int argc, char** argv) {
  const uint64_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 10'000'000;
  return xensim::storm(wanted, argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1);
}
