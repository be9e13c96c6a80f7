// PlainTurns: where a plain run is: which actor's turn is next, in which turn something was typed, which vCPU runs on
// the processor that vCPUs share where time is stolen, and whether the run is to be saved now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/machine/actors.h"
#include "sim/machine/snapshot/snapshot.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

class PlainTurns {
 public:
  void reset() { *this = {}; }

  void begin_turn() { ++turns_; }
  uint64_t turns() const { return turns_; }  // begun so far
  // The next vCPU in the order of numbers that can run, round and round; nullptr: none.
  Actor* next_vcpu(const Actors& actors);

  // What a trace recorded as typed in this turn, one after another; nullptr: no more of it. `recorded` is in the order
  // of turns.
  const ConsoleInput* next_input(const std::vector<ConsoleInput>& recorded);
  bool has_input_left(const std::vector<ConsoleInput>& recorded) const { return recorded_input_ < recorded.size(); }

  // With stolen time all vCPUs share one processor: it goes to `next`. Gives the one that loses it while it could go
  // on: that one's time is stolen from now on. nullptr: none does.
  Actor* take_processor(Actor& next);

  // A vCPU yields that is alone to run while nothing falls due. Is it one of so many in a row that it shall pass time?
  bool idle_yield_passes_time() {
    if (idle_yields_ >= kFreeYields) return true;
    ++idle_yields_;
    return false;
  }
  void end_idle_yields() { idle_yields_ = 0; }

  // Is the run to be saved before this turn, as `wanted` says? Once.
  bool snapshot_is_due(const SnapshotPoint& wanted, VirtualNs now) const {
    return !saved_ && (wanted.at ? now >= *wanted.at : line_seen_);
  }
  // All vCPUs wait, at this unfinished line of the console. true: that is what the snapshot waits for.
  bool see_line(const SnapshotPoint& wanted, std::string_view line);
  void set_saved() { saved_ = true; }

  // `inputs`: how many were recorded.
  void fields(StateArchive& ar, const Actors& actors, size_t inputs);
  void processor_field(StateArchive& ar, const Actors& actors) { actors.field(ar, "on_processor", on_processor_); }

 private:
  static constexpr uint32_t kFreeYields = 64;

  uint64_t turns_ = 0;
  size_t turn_ = 0;                // the actor whose turn it was last
  uint32_t idle_yields_ = 0;       // in a row
  size_t recorded_input_ = 0;      // the next of those that a trace recorded
  Actor* on_processor_ = nullptr;  // with stolen time: the vCPU that ran last
  bool line_seen_ = false;         // the snapshot that waits for a line of the console is due
  bool saved_ = false;
};

}  // namespace xensim::sim
