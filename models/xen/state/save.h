// A core's whole state as bytes, and back: saved at a point where nobody is inside the core, with pending events, armed
// timers, bound and half-closed channels of both ABIs, and live mappings. What lies in guest memory is the machine's to
// save.
//
// Format: magic, version, a hash of the flavour's traits, each domain's configuration, each domain's fields (fields.h),
// the armed timers; then a checksum over all of it. Little-endian. A state of another version is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/base/result.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

// One higher with each change of a table of fields.
inline constexpr uint32_t kStateVersion = 6;

using ArmedTimers = std::vector<std::pair<TimerId, VirtualNs>>;

std::vector<std::byte> save_state(Hypervisor& hv, const ArmedTimers& timers);

// Replaces all domains of `hv` by those of the state, and gives its timers. kInput: these bytes are no state of such a
// core, or one that cannot be (so is one whose clocks are past `now`, the time of the machine that it is for); then
// `hv` is as it was. Every byte may be hostile. Asks the Platform nothing but holds().
Result<ArmedTimers> restore_state(Hypervisor& hv, std::span<const std::byte> bytes, VirtualNs now);

// Every field of every domain, a line each, for people and for comparing.
std::string dump_state(Hypervisor& hv);

// Tells a Platform that knows nothing of these domains: what their maps show, who can run, callback lines, timers.
void announce_state(Hypervisor& hv, const ArmedTimers& timers);

// Puts the checksum right, so that a fuzzer gets past it.
void seal_state(std::span<std::byte> bytes);

}  // namespace xensim::xen
