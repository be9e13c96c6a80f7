// Mistakes that a search can be told to make. For tests alone: such mistakes do not show as failures but as schedules
// that are never run, so the gate has to show that it notices each of them.
#pragma once

#include <cstdint>

namespace xensim::sim {

enum class ReducerDefect : uint8_t {
  kNone,
  // What conflicts.
  kMasksDisjoint,      // accesses with different masks never conflict
  kFailedTryIgnored,   // a failed try-lock touches nothing
  kClockIgnored,       // the clock and the timers are no objects
  kReadBeforeWrite,    // a read does not conflict with a later write
  kSharedLockIgnored,  // locking for shared use touches nothing
  // Races.
  kUnlockAsPartner,    // a locking races with the unlocking before it instead of with the locking
  kPendingLockMissed,  // a locking that waits when the run ends races with nothing
  kPendingLookMissed,  // what a lane waits for when the run ends races with nothing
  kTakenTurnMissed,    // a step that disables a lane for good does not race with it
  kEnablerIsPartner,   // nothing before the step that enabled a lane is looked at
  kLastRaceOnly,       // of a step's races only the latest counts
  kFirstReadSkipped,   // a lane's first step has no races if it begins with a read
  kInitialsUnordered,  // the racing lane itself is always taken for an initial
  kSameSecond,         // its step is taken to touch the same in the other order
  // Sleep sets.
  kSleepNeverWoken,    // inherited as they are
  kSleepWokenByWrite,  // a read wakes nobody
  // The cache of bounded search.
  kBudgetNotInKey,
  kLaneNotInKey,
  kHashWithoutConflicts,
};

}  // namespace xensim::sim
