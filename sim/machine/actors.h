// Actors: all lines of execution of a machine, and the set of those that can go on. Made once; a run changes only what
// they are up to. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/base/archive.h"
#include "sim/machine/actor.h"
#include "sim/machine/strategy.h"

namespace xensim::sim {

class Actors {
 public:
  // The next one; its number is how many there were.
  Actor& add(ActorInfo info, std::string label);
  // As before a run: none can go on, and no fiber has begun.
  void reset();

  Actor& operator[](size_t id) const { return *all_[id]; }
  size_t size() const { return all_.size(); }
  auto begin() const { return all_.begin(); }  // pointers, by number
  auto end() const { return all_.end(); }

  // A bit an actor that can go on; those from kMaxActors on, which only plain runs have, are not in it.
  uint64_t runnable() const { return runnable_; }
  bool is_runnable(unsigned id) const { return ((runnable_ >> id) & 1) != 0; }
  // After a change of what Actor::can_run() looks at.
  void refresh(const Actor& actor) {
    if (actor.id >= kMaxActors) return;
    const uint64_t bit = uint64_t{1} << actor.id;
    if (actor.can_run()) {
      runnable_ |= bit;
    } else {
      runnable_ &= ~bit;
    }
  }
  void set_runnable(Actor& actor, bool runnable) {
    actor.core_runnable = runnable;
    refresh(actor);
  }

  // Is a call into the core under way?
  bool anyone_inside() const;
  // One of them, or none, by number.
  void field(StateArchive& ar, const char* name, Actor*& actor) const;
  // All of them, between two turns: nobody is inside the core.
  void fields(StateArchive& ar);

 private:
  std::vector<std::unique_ptr<Actor>> all_;
  uint64_t runnable_ = 0;
};

}  // namespace xensim::sim
