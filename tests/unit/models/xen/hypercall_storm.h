// A storm of hypercalls from hostile guests: two unprivileged domains and the host-kernel domain, two vCPUs each, with
// guest memory that changes under the core's feet, timers, events from outside, and domains that end. What a guest asks
// comes from a stream of numbers, so that a fuzzer and a seeded generator drive the same machine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/xen/api/flavour.h"

namespace xensim {

// Gives the next number; the storm ends when `more` says so.
struct StormSource {
  std::function<uint64_t()> next;
  std::function<bool()> more;
};

struct StormOptions {
  xen::Flavour flavour{};
  // The guests keep each struct of a call at a place of its own, and double fetches are looked for.
  bool tidy = false;
  // After every so many calls the core is saved, made anew and restored; 0: never. It must not show.
  uint64_t round_trip_every = 0;
  // Invariants are checked after every so many calls, and whenever a machine ends.
  uint64_t check_every = 64;
};

struct StormReport {
  uint64_t calls = 0;
  uint64_t succeeded = 0;              // results that are no error
  uint64_t machines = 0;               // how many were made: one lives until all its domains have ended, or is old
  uint64_t digest = 0;                 // over all results: the same source gives the same
  std::vector<std::string> broken;     // invariants of the core that did not hold, the first few
  std::vector<std::string> refetched;  // double fetches, the first few
};

StormReport run_storm(const StormSource& source, const StormOptions& options = {});

}  // namespace xensim
