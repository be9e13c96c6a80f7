// Lanes: of what a strategy can choose (strategy.h), which can go on. Whether an actor can is the actors' own; here is
// what else matters: interrupts that could be taken, handlers under way, and spinning, which is no use until another
// lane has written something. Not thread-safe.
#pragma once

#include <cstdint>

#include "sim/machine/strategy.h"

namespace xensim::sim {

class Lanes {
 public:
  void reset() { interrupts_ = handling_ = spinning_ = 0; }

  // The lane in which the actor is.
  unsigned of(unsigned actor) const { return is_handling(actor) ? irq_lane(actor) : actor; }

  // The vCPU stands where it could take an interrupt, and there is one.
  void set_interrupt(unsigned actor, bool ready) {
    interrupts_ = ready ? interrupts_ | lane_bit(actor) : interrupts_ & ~lane_bit(actor);
  }
  bool is_handling(unsigned actor) const { return ((handling_ >> actor) & 1) != 0; }
  void begin_handler(unsigned actor) {
    handling_ |= lane_bit(actor);
    interrupts_ &= ~lane_bit(actor);
  }
  void end_handler(unsigned actor) { handling_ &= ~lane_bit(actor); }

  void spins(unsigned lane) { spinning_ |= lane_bit(lane); }
  // The lane has written something: for all others another look is worth while.
  void wrote(unsigned lane) { spinning_ &= lane_bit(lane); }
  void goes_on(unsigned lane) { spinning_ &= ~lane_bit(lane); }
  // Time has passed, or nobody but spinning lanes is left.
  void look_again() { spinning_ = 0; }

  // `actors`: a bit for each that can go on. Without the clock.
  uint64_t that_can_run(uint64_t actors) const {
    return (actors & ~handling_) | (actors & (interrupts_ | handling_)) << kMaxActors;
  }
  uint64_t spinning() const { return spinning_; }

 private:
  uint64_t interrupts_ = 0;  // a bit an actor
  uint64_t handling_ = 0;    // a bit an actor
  uint64_t spinning_ = 0;    // a bit a lane
};

}  // namespace xensim::sim
