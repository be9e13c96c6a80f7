// A storm of hypercalls from hostile guests: two domains, two vCPUs each, with guest memory that changes under the
// core's feet. What a guest asks comes from a stream of numbers, so that a fuzzer and a seeded generator drive the same
// machine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace xensim {

// Gives the next number; the storm ends when `more` says so.
struct StormSource {
  std::function<uint64_t()> next;
  std::function<bool()> more;
};

struct StormReport {
  uint64_t calls = 0;
  uint64_t succeeded = 0;           // results that are no error
  uint64_t digest = 0;              // over all results: the same source gives the same
  std::vector<std::string> broken;  // invariants of the core that do not hold any more
};

StormReport run_storm(const StormSource& source);

}  // namespace xensim
