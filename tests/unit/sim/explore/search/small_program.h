// Small programs for the gate of the searches: what a machine's lanes do to each other, without a machine. Few actors
// with few operations each, which wait, lock, interrupt and time out, so that brute force can run all their schedules.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <vector>

#include "sim/machine/access.h"
#include "sim/machine/strategy.h"

namespace xensim::sim::small {

inline constexpr unsigned kActors = 3;  // at most: lanes 1 to 3
inline constexpr unsigned kTimerLane = kActors + 1;
inline constexpr unsigned kWords = 3;
inline constexpr unsigned kLocks = 2;
inline constexpr unsigned kReadWriteLock = 1;  // of them, the one that can be shared
inline constexpr unsigned kRegisters = 2;

enum class OpKind : uint8_t {
  kLoad,          // reg = word & mask
  kStore,         // word = value
  kOr,            // word |= mask
  kAnd,           // word &= ~mask
  kXor,           // word ^= mask
  kAdd,           // reg = word; word += value
  kCompareSwap,   // reg = (word == expected); if so, word = value
  kLock,          // waits
  kUnlock,        // kLockError where the lane does not hold it
  kLockShared,    // waits
  kUnlockShared,  // kLockError likewise
  kTryLock,       // reg = got it; else skips `skip` operations
  kAwait,         // until (word & mask) == value: looks again only after a write made it worthwhile
  kAssert,        // reg != value; no point: it belongs to the step before
  kArm,           // the clock can fire the timer
  kNow,           // reg = the clock
  kKick,          // an interrupt for the actor `object`
  kDisable,       // the actor takes no interrupts
  kEnable,        // it does again
  kBlock,         // waits for a wake-up, unless there was one
  kWake,          // of the actor `object`
  kPause,         // gives way
};

struct Op {
  OpKind kind = OpKind::kLoad;
  uint8_t object = 0;  // the word, the lock, or the actor
  uint8_t reg = 0;
  uint8_t mask = 0xff;
  uint8_t value = 0;
  uint8_t expected = 0;
  uint8_t skip = 0;
  bool joined = false;  // no point before it: it belongs to the step before
};

struct Program {
  unsigned actors = 2;
  std::array<std::vector<Op>, kActors + 1> code;     // by actor, from 1
  std::array<std::vector<Op>, kActors + 1> handler;  // of its interrupt; empty: it takes none
  Op on_timer;                                       // what the timer's actor does
  bool awaits_change = false;  // an await is over a change of what it read, not at any write to it
  bool stops_at_failure = false;
};

enum Failure : uint8_t { kAssertion = 1, kDeadlock = 2, kLockError = 4 };

// How a run ended.
struct Final {
  std::array<uint8_t, kWords> words{};
  std::array<std::array<uint8_t, kRegisters>, 2 * kActors + 2> registers{};
  uint8_t unfinished = 0;  // a bit for each actor
  uint8_t failures = 0;
  friend auto operator<=>(const Final&, const Final&) = default;
};

class State {
 public:
  explicit State(const Program& program) : program_(&program) {}

  // The lanes that can go on; 0: the run is over.
  uint64_t runnable() const;
  // `footprint`: gets what the step touches.
  void step(unsigned lane, std::vector<ObjectAccess>& footprint);
  PointKey key(unsigned lane) const;
  Final final() const;

 private:
  struct Thread {
    uint8_t at = 0;  // in its code
    std::array<uint8_t, kRegisters> registers{};
    bool looked = false;      // an await's last look was in vain
    uint8_t seen = 0;         // what it saw
    bool worthwhile = false;  // there was a write since
  };
  struct Vcpu {
    bool in_handler = false, pending = false, disabled = false;
    bool waits = false, woken = false;
    bool resumes = false;  // it waited, and was woken: its next step reads what it waited for
  };
  struct LockWord {
    unsigned holder = 0;  // a lane + 1; 0: none
    uint64_t shared = 0;  // a bit for each lane
  };
  using Footprint = std::vector<ObjectAccess>;

  Thread& thread(unsigned lane) { return threads_[index(lane)]; }
  const Thread& thread(unsigned lane) const { return threads_[index(lane)]; }
  static size_t index(unsigned lane) { return actor_of_lane(lane) + (is_irq_lane(lane) ? kActors + 1 : 0); }
  const std::vector<Op>& code(unsigned lane) const;
  bool handler_has_steps(unsigned actor) const;
  bool can_execute(unsigned lane) const;
  bool can_lock(unsigned lane, const Op& op) const;
  void clock_step(Footprint& footprint);
  void begin_interrupt(unsigned actor, Footprint& footprint);
  void end_interrupt(unsigned actor, Footprint& footprint);
  void execute(unsigned lane, const Op& op, Footprint& footprint);
  void word_op(Thread& self, const Op& op, Footprint& footprint);
  void lock_op(unsigned lane, const Op& op, Footprint& footprint);
  void vcpu_op(unsigned lane, const Op& op, Footprint& footprint);
  void await(Thread& self, const Op& op, Footprint& footprint);
  void write(uint8_t word, uint8_t mask, uint8_t value, Footprint& footprint);
  void fail(Failure failure) { failures_ = static_cast<uint8_t>(failures_ | failure); }

  const Program* program_;
  std::array<uint8_t, kWords> words_{};
  std::array<LockWord, kLocks> locks_{};
  std::array<Thread, 2 * kActors + 2> threads_{};  // of actors, then of their interrupts
  std::array<Vcpu, kActors + 1> vcpus_{};
  bool armed_ = false, fired_ = false;
  uint8_t clock_ = 0;
  uint8_t failures_ = 0;
};

// A run: nothing where the strategy stopped it.
struct Outcome {
  bool stopped = false;
  Final final;
};
Outcome run(const Program& program, Strategy& strategy);

}  // namespace xensim::sim::small
