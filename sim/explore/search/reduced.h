// ReducedSearch: all schedules, up to the order of steps that do not conflict: Source-DPOR with sleep sets (Abdulla,
// Aronis, Jonsson, Sagonas, JACM 2017, algorithm 1). There are as many complete runs as Mazurkiewicz traces; runs in
// which all that could go on was asleep are counted apart.
//
// It relies on the machine's footprints in this:
//  - A step that lets another lane run, or keeps it from running, conflicts with that lane's next step: a vCPU that
//    was blocked reads what it waited for when it goes on.
//  - So each step of a vCPU's own lane reads an object that the beginning and the end of its interrupt's handler write,
//    if the handler has several steps.
//  - A try-lock reads the lock, and locks it too where it succeeds. One for exclusive use of a lock that can be shared
//    writes it instead: its outcome depends on shared locks, which conflict with no read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/explore/search/happens_before.h"
#include "sim/explore/search/races.h"
#include "sim/explore/search/search.h"
#include "sim/explore/search/sleep_sets.h"

namespace xensim::sim {

class ReducedSearch final : public Search {
 public:
  explicit ReducedSearch(ReducerDefect defect = ReducerDefect::kNone)
      : Search(defect), races_(log(), order_, defect), sleep_(defect) {}
  ReducedSearch(const ReducedSearch&) = delete;  // races_ refers to the rest
  ReducedSearch& operator=(const ReducedSearch&) = delete;

 private:
  struct Node {
    uint64_t runnable;
    uint64_t backtrack;  // the lanes to choose here, in one run or another
    uint64_t asleep;     // those that need not be, or were
    PointOp reached;     // where the step before ended
  };

  unsigned explore(const Choice& choice, uint64_t allowed) override;
  void step_ended() override { order_.append(log()); }
  void run_over(size_t first_new, bool complete) override;
  std::optional<Turn> backtrack() override;

  // A run in which `second` comes before `first`, or rather: in which what it takes for that comes first.
  void reverse(uint32_t first, uint32_t second);
  // A race in which what the lane's step would touch if it came before `first` is not known.
  struct Unknown {
    uint32_t first;
    uint32_t second;  // the lane's step; AccessLog::kNone: it did not come
    unsigned lane;
    uint32_t last;  // the lane's step before
  };
  // With the run's steps until here, of which those before `from` have been looked at.
  void reverse_unknown(const Unknown& unknown, size_t from);
  void add(Node& node, uint64_t initials);
  // Of lanes that did not run again, so that their next steps' footprints are not known.
  void reverse_disabling();
  bool is_done(unsigned lane) const;
  uint64_t waiting_for_what_changed(size_t at) const;
  void reverse_held_locks();
  void reverse_pending(uint32_t first, unsigned lane);
  bool may_wait_for_lock(unsigned lane) const;

  HappensBefore order_;
  Races races_;
  SleepSets sleep_;
  uint64_t last_runnable_ = 0;     // after the run's last step, where it was blocked; else 0
  std::vector<Unknown> unknowns_;  // of the path: steps that are still to come matter to them
  std::vector<Node> nodes_;        // one for each choice of the path
};

}  // namespace xensim::sim
