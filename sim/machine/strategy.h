// Strategy: decides, at each scheduling point, which actor goes on. The same strategy with the same seed decides the
// same.
#pragma once

#include <bit>
#include <cstdint>

#include "sim/machine/point.h"

namespace xensim::sim {

inline constexpr unsigned kMaxActors = 64;  // that a strategy chooses among

inline constexpr PointKey kNowhere{};

// What a strategy sees. The key is another's (a copy of it at each point costs more than the choice): it has to outlive
// the choice.
struct Choice {
  uint64_t step = 0;      // points passed in this execution
  VirtualNs time{};       // virtual time at this point
  unsigned current = 0;   // the actor that is at the point
  uint64_t runnable = 0;  // a bit for each actor that can go on; `current` is in it unless it is blocked; never 0
  const PointKey& key = kNowhere;  // where `current` is
  uint64_t occurrence =
      0;  // only for strategies that want names: how often `current` has been at a point of this name, from 1

  bool current_runnable() const { return (runnable >> current) & 1; }
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  // The actor to go on with: one of `choice.runnable`.
  virtual unsigned choose(const Choice& choice) = 0;
  // Whether Choice::occurrence has to be counted (slower).
  virtual bool wants_occurrence() const { return false; }
};

// The next runnable actor after `from` in the order of numbers, round and round.
inline unsigned next_runnable(uint64_t runnable, unsigned from) {
  const uint64_t above = from + 1 < kMaxActors ? runnable & (~uint64_t{0} << (from + 1)) : 0;
  return static_cast<unsigned>(std::countr_zero(above != 0 ? above : runnable));
}

// What happens where nothing else was decided: the actor goes on; one that is blocked or spins gives way to the next.
inline unsigned default_choice(const Choice& choice) {
  if (choice.current_runnable() && !choice.key.gives_way()) return choice.current;
  return next_runnable(choice.runnable, choice.current);
}

}  // namespace xensim::sim
