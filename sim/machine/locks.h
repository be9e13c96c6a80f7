// Locks: the core's locks as actors hold them and wait for them. No lock of the host's is behind one: actors are fibers
// of one thread, and one that waits is left out of the schedule until the lock is free.
//
// A lock's word: 0, free; n + 1, held by actor n; kShared + n, held by n readers (`readers_` says which).
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/machine/actors.h"

namespace xensim::sim {

class Locks {
 public:
  // Borrows the actors.
  explicit Locks(Actors& actors) : actors_(actors) {}
  // Nobody waits, and nobody reads. (Words are the core's, which is made anew for each run.)
  void reset();

  // Could it be taken now: by a writer, or by a reader?
  static bool is_free(const xen::LockState& lock, bool exclusive) {
    const uint32_t word = word_of(lock);
    return word == 0 || (!exclusive && (word & kShared) != 0);
  }
  static bool is_writer(const xen::LockState& lock, const Actor& actor) { return word_of(lock) == actor.id + 1u; }
  // One that holds it: the writer, or the reader that has held it for longest. It must be held.
  const Actor& holder(const xen::LockState& lock) const;

  // It is free, as is_free() has it.
  void take(xen::LockState& lock, const Actor& actor) {
    set_word(lock, actor.id + 1u);
    if (wanting_ != 0) [[unlikely]]
      stop_wanting_others(lock, actor, true);
  }
  static void release(xen::LockState& lock) { set_word(lock, 0); }
  void take_shared(xen::LockState& lock, const Actor& actor);
  void release_shared(xen::LockState& lock, const Actor& actor);  // which must be one of its readers

  // The actor is at a point, with the lock as its next operation: it can go on only while the lock can be taken. Until
  // wants_no_more().
  void want(Actor& actor, xen::LockState& lock, bool exclusive) {
    actor.wants = &lock;
    actor.wants_exclusive = exclusive;
    ++wanting_;
    if (!is_free(lock, exclusive)) wait(actor, lock);
  }
  void wants_no_more(Actor& actor) {
    actor.wants = nullptr;
    --wanting_;
  }

  // The actor cannot go on before wake_waiters(lock).
  void wait(Actor& actor, xen::LockState& lock) {
    actor.waiting = &lock;
    ++waiters_;
    actors_.refresh(actor);
  }
  void wake_waiters(const xen::LockState& lock) {
    if (waiters_ != 0) [[unlikely]]
      wake_waiters_of(lock);
  }
  // It goes on whatever it waits for: a run is at its end.
  void stop_waiting(Actor& actor);

  // Where nobody can be cut the holder of a lock that another wants runs until it has released that one. Gives the lock
  // that was driven so far, to be put back.
  xen::LockState* drive(xen::LockState* lock) { return std::exchange(driven_, lock); }
  bool is_driven(const xen::LockState& lock) const { return driven_ == &lock; }

 private:
  static constexpr uint32_t kShared = 1u << 31;
  static uint32_t word_of(const xen::LockState& lock) { return lock.word.load(std::memory_order_relaxed); }
  static void set_word(xen::LockState& lock, uint32_t word) { lock.word.store(word, std::memory_order_relaxed); }
  void wake_waiters_of(const xen::LockState& lock);
  // `by` has taken it: others that want it wait.
  void stop_wanting_others(xen::LockState& lock, const Actor& by, bool exclusive);

  Actors& actors_;
  unsigned waiters_ = 0;  // actors that wait for a lock
  unsigned wanting_ = 0;  // actors whose next operation is a lock
  std::vector<std::pair<const xen::LockState*, ActorId>> readers_;
  xen::LockState* driven_ = nullptr;
};

}  // namespace xensim::sim
