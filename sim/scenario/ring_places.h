// Where a guest finds the rings that its toolstack made for it: xenstore's and its first console's.
#pragma once

#include "models/base/types.h"
#include "models/xen/api/flavour.h"
#include "sim/scenario/memory_layout.h"

namespace xensim::sim {

// Pages and event channels, as HVM_PARAM_{STORE,CONSOLE}_{PFN,EVTCHN} say them.
struct RingPlaces {
  Gpa store_page = kStorePage, console_page = kConsolePage;
  Port store_port{1}, console_port{2};
};

// xl takes a port for xenstore first; QEMU, which serves the guest itself, for its console (probe_hvm_op.kvm).
inline RingPlaces ring_places(const xen::Flavour& flavour) {
  if (!flavour.few_hvm_ops) return {};
  return {kQemuStorePage, kQemuConsolePage, Port{2}, Port{1}};
}

}  // namespace xensim::sim
