// BoundedSearch: all schedules with at most so many preemptions, depth first. A preemption is a choice that is not the
// default one although the lane at the point could go on and does not give way.
//
// Pruned by happens-before caching (Musuvathi, Qadeer, MSR-TR-2007-12): prefixes with equal happens-before graphs lead
// to equal states, so a prefix is cut where its graph was reached before, at a choice that looks the same, with at
// least as many preemptions left. Unlike sleep sets this loses nothing under a bound. It relies on footprints as
// ReducedSearch does.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/explore/search/digest.h"
#include "sim/explore/search/reached.h"
#include "sim/explore/search/search.h"

namespace xensim::sim {

// What choosing `lane` costs of the bound.
unsigned preemptions_of(const Choice& choice, unsigned lane);
// The lanes of `among` that a schedule with `left` preemptions left can choose.
uint64_t affordable(const Choice& choice, uint64_t among, unsigned left);

struct BoundedOptions {
  unsigned preemptions = 0;
  bool cache = true;
  ReducerDefect defect = ReducerDefect::kNone;
};

class BoundedSearch final : public Search {
 public:
  explicit BoundedSearch(const BoundedOptions& options) : Search(options.defect), options_(options) {}

 private:
  struct Node {
    uint64_t left;    // lanes still to choose here
    uint64_t free;    // lanes that cost nothing
    unsigned budget;  // preemptions left before the choice
    unsigned lane;    // chosen
  };

  unsigned explore(const Choice& choice, uint64_t allowed) override;
  void step_ended() override;
  void run_over(size_t, bool) override {}
  std::optional<Turn> backtrack() override;

  Digest step_digest(const AccessLog::Step& step) const;
  // Was this choice reached before with at least as much budget left? Notes it if not.
  bool known(const Choice& choice, unsigned budget);

  BoundedOptions options_;
  std::vector<Node> nodes_;       // one for each choice of the path
  std::vector<Digest> digests_;   // of the log's steps
  std::vector<Digest> prefixes_;  // of the log up to and with each step
  Reached reached_;
};

}  // namespace xensim::sim
