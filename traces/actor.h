// Actors: who does something. One vCPU, one timer source, one source of outside events, or the machine itself; the
// trace's header lists them, and each event names its actor by number.
#pragma once

#include <cstdint>
#include <string>

#include "models/base/types.h"

namespace xensim {

// Index into the actor table of a machine and of its trace; the machine itself is 0.
using ActorId = uint16_t;

enum class ActorKind : uint8_t { kMachine, kVcpu, kTimer, kExternal };

// A row of the actor table. `vcpu` counts for kVcpu and kTimer alone; `name` is what reports show beside the kind (the
// source of outside events, a scenario's name for a vCPU) and may be empty.
struct ActorInfo {
  ActorKind kind = ActorKind::kMachine;
  VcpuRef vcpu{};
  std::string name;
  friend bool operator==(const ActorInfo&, const ActorInfo&) = default;
};

// Who acts now, and when. The machine owns one and keeps it true; recorders read it at each event.
struct RunContext {
  ActorId actor = 0;
  VirtualNs time{};
};

}  // namespace xensim
