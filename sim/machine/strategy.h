// Strategy: decides, at each scheduling point, which lane goes on. The same strategy with the same seed decides the
// same.
//
// A lane is what a strategy can choose: an actor (its number), the interrupt that a vCPU could take where it stands
// (irq_lane(actor)), or the clock (kClockLane), whose step is that time jumps to what is due next. While a vCPU's
// interrupt is handled its lane is irq_lane(actor), and the actor's own cannot run.
//
// A step is what a chosen lane does until its next point: the operation that it announced there (Choice::key of its own
// last choice), and all that follows without a point.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

#include "sim/machine/access.h"
#include "sim/machine/point.h"

namespace xensim::sim {

inline constexpr unsigned kMaxActors = 32;  // that a strategy chooses among, the clock as number 0
inline constexpr unsigned kMaxLanes = 64;
inline constexpr unsigned kClockLane = 0;
inline constexpr unsigned kStopRun = kMaxLanes;  // a choice: the run ends here, and says nothing

constexpr unsigned irq_lane(unsigned actor) { return actor + kMaxActors; }
constexpr bool is_irq_lane(unsigned lane) { return lane >= kMaxActors; }
constexpr unsigned actor_of_lane(unsigned lane) { return lane % kMaxActors; }
constexpr uint64_t lane_bit(unsigned lane) { return uint64_t{1} << lane; }
// All that are neither the clock nor interrupts.
inline constexpr uint64_t kActorLanes = (uint64_t{1} << kMaxActors) - 1 - 1;

inline constexpr PointKey kNowhere{};

// What a strategy sees. The key is another's (a copy of it at each point costs more than the choice): it has to outlive
// the choice.
struct Choice {
  uint64_t step = 0;      // points passed in this execution
  VirtualNs time{};       // virtual time at this point
  unsigned current = 0;   // the lane that is at the point
  uint64_t runnable = 0;  // a bit for each lane that can go on; `current` is in it unless it is blocked; never 0
  const PointKey& key = kNowhere;  // where `current` is; its op is kBlocked or kDone where it has no operation pending
  uint64_t occurrence =
      0;  // only for strategies that want names: how often `current` has been at a point of this name, from 1
  // Only for strategies that want footprints: what was touched since the choice before this one, in order, with
  // repetitions.
  std::span<const ObjectAccess> footprint{};

  bool current_runnable() const { return (runnable >> current) & 1; }
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  // The lane to go on with: one of `choice.runnable`, or kStopRun.
  virtual unsigned choose(const Choice& choice) = 0;
  // Whether Choice::occurrence has to be counted (slower).
  virtual bool wants_occurrence() const { return false; }
  // Whether Choice::footprint has to be collected (slower).
  virtual bool wants_footprints() const { return false; }
  // The run is over, by itself or by kStopRun. `footprint`: of the last step.
  virtual void run_ended(std::span<const ObjectAccess> /*footprint*/) {}
};

// The next runnable lane after `from` in the order of numbers, round and round.
inline unsigned next_runnable(uint64_t runnable, unsigned from) {
  const uint64_t above = from + 1 < kMaxLanes ? runnable & (~uint64_t{0} << (from + 1)) : 0;
  return static_cast<unsigned>(std::countr_zero(above != 0 ? above : runnable));
}

// What happens where nothing else was decided: the lane goes on; one that is blocked or spins gives way to the next
// actor; a vCPU takes its interrupts as they come; time passes where nothing else can.
inline unsigned default_choice(const Choice& choice) {
  if (choice.current_runnable() && !choice.key.gives_way() && is_irq_lane(choice.current)) return choice.current;
  const uint64_t actors = (choice.runnable | choice.runnable >> kMaxActors) & kActorLanes;
  if (actors == 0) return kClockLane;
  unsigned actor = choice.current;
  if (!choice.current_runnable() || choice.key.gives_way()) actor = next_runnable(actors, actor_of_lane(actor));
  return ((choice.runnable >> irq_lane(actor)) & 1) != 0 ? irq_lane(actor) : actor;
}

}  // namespace xensim::sim
