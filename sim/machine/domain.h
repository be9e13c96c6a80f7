// Domain: one guest as the machine has it. What its vCPUs and devices are made of is a backend's.
#pragma once

#include <cstdint>
#include <vector>

#include "models/xen/api/platform.h"
#include "sim/scenario/memory_layout.h"
#include "sim/scenario/scenario.h"
#include "traces/actor.h"

namespace xensim::sim {

struct Domain {
  DomId id;
  const GuestConfig* config = nullptr;
  Maddr ram;  // the guest's memory as one block: `pieces` say where the guest has it
  std::vector<MemoryPiece> pieces;
  uint64_t bytes = 0;  // of the block
  bool ended = false;
  xen::ShutdownReason reason = xen::ShutdownReason::kPoweroff;
  bool resetting = false;  // it has asked for a soft reset, which waits until its vCPUs are out of the core
  std::vector<ActorId> vcpus;
};

}  // namespace xensim::sim
