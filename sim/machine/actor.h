// Actor: one line of execution that the scheduler switches between: a vCPU, the core's timers, or the events from
// outside.
#pragma once

#include <memory>
#include <string>

#include "models/xen/api/platform.h"
#include "sim/fiber/fiber.h"
#include "sim/machine/point.h"
#include "traces/actor.h"

namespace xensim::sim {

struct Actor {
  // Fixed.
  ActorId id = 0;
  ActorInfo info;
  std::string label;    // d1v0, timers, outside
  unsigned domain = 0;  // index of the vCPU's domain
  std::unique_ptr<Fiber> fiber;

  // Of the run.
  bool core_runnable = false;         // a vCPU: as the core says; others: there is work
  bool in_entry = false;              // inside the core (or about to finish there): must go on even where blocked
  bool ended = false;                 // its domain is over
  bool paused = false;                // its domain waits for a soft reset
  xen::LockState* waiting = nullptr;  // the lock that it wants
  xen::LockState* wants = nullptr;    // the lock that is its next operation
  bool wants_exclusive = false;       // as a writer
  bool takes_interrupt = false;       // its interrupt was chosen, which it is to take where it stands
  PointOp at = PointOp::kGuest;       // what it was cut at

  bool can_run() const { return waiting == nullptr && (in_entry || (core_runnable && !ended && !paused)); }
};

}  // namespace xensim::sim
