// Search: a systematic exploration as a stateless depth-first search. Each run starts anew, follows the choices that
// lead to the place where it is to differ, and goes on from there:
//
//   while (search.next()) run_the_machine(search);
//
// The machine has to be deterministic: the same choices give the same runnable lanes and the same footprints. Where
// they do not, the search ends with diverged(), and has shown nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/explore/search/access_log.h"
#include "sim/explore/search/defect.h"
#include "sim/machine/strategy.h"

namespace xensim::sim {

struct SearchCounts {
  uint64_t runs = 0;
  uint64_t complete = 0;  // ended by themselves
  uint64_t cut = 0;       // by the cache: what follows was explored before
  uint64_t blocked = 0;   // by sleep sets: all that could run was asleep
  uint64_t deepest = 0;   // the most choices in one run
};

// A replayed choice was not what it had been.
struct SearchDivergence {
  enum class Kind : uint8_t { kRunnable, kFootprint, kEndedEarly, kFixedNotRunnable, kNotEnded };
  Kind kind;
  uint64_t step;  // the choice's number in its run, from 0
};

class Search : public Strategy {
 public:
  // Prepares the next run: false, everything is explored, or the machine diverged.
  bool next();

  unsigned choose(const Choice& choice) final;
  void run_ended(std::span<const ObjectAccess> footprint) final;
  bool wants_footprints() const final { return true; }

  // The first choices of every run: the search is one of the sub-tree below them. Before the first next().
  void restrict_to(std::vector<unsigned> prefix) { fixed_ = std::move(prefix); }

  const SearchCounts& counts() const { return counts_; }
  const std::optional<SearchDivergence>& diverged() const { return diverged_; }
  // The lanes chosen so far in this run, or in the last.
  std::vector<unsigned> choices() const { return {path_.begin(), path_.begin() + static_cast<ptrdiff_t>(depth_)}; }

 protected:
  enum class Stop : uint8_t { kCut, kBlocked };
  // Where the next run differs from the last.
  struct Turn {
    size_t depth;
    unsigned lane;
  };

  explicit Search(ReducerDefect defect) : log_(defect), defect_(defect) {}

  // The steps of the run, and of the last one until the next is prepared.
  const AccessLog& log() const { return log_; }
  bool has(ReducerDefect defect) const { return defect_ == defect; }
  size_t fixed_depth() const { return fixed_.size(); }
  // What explore() returns to end the run.
  unsigned stop_run(Stop why);

 private:
  // A choice that was not made before; log() has the steps until here. `allowed`: the lanes to choose among, one where
  // it is fixed. The lane, or stop_run().
  virtual unsigned explore(const Choice& choice, uint64_t allowed) = 0;
  // A step was added to the log.
  virtual void step_ended() = 0;
  // The run is over; its steps from `first_new` on were not in the run before. `complete`: it ended by itself.
  virtual void run_over(size_t first_new, bool complete) = 0;
  virtual std::optional<Turn> backtrack() = 0;

  // The step that was chosen last is over. false: it was another when it ran before.
  bool close_step(std::span<const ObjectAccess> footprint);
  unsigned replay(const Choice& choice);
  void diverge(SearchDivergence::Kind kind, uint64_t step);

  // What a choice looked like when it was first made.
  struct Seen {
    uint64_t runnable;
    uint64_t footprint;  // hash of the step's, once it has ended
  };

  AccessLog log_;
  ReducerDefect defect_;
  SearchCounts counts_;
  std::optional<SearchDivergence> diverged_;
  std::vector<unsigned> fixed_;
  std::vector<unsigned> path_;  // the choices made in this run, then those planned
  std::vector<Seen> seen_;      // for each of path_ that was made before
  size_t depth_ = 0;            // choices made in this run
  size_t planned_ = 0;          // choices that are known before the run
  bool running_ = false;
  bool stopped_ = false;
};

}  // namespace xensim::sim
