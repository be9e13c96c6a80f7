// vCPUs that go down or come up, and domains that end.
#pragma once

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// The domain ends for `reason` (SHUTDOWN_*), or for the one SCHEDOP_shutdown_code set before; the first call counts.
void shut_down(Entry& entry, Domain& domain, uint8_t reason);

// Takes the vCPU down, as HLT with interrupts off does; the last one down is a poweroff.
void take_down(Entry& entry, Vcpu& vcpu);

// Is any vCPU of the domain but `except` (nullptr: none is excepted) up?
bool any_up(Domain& domain, const Vcpu* except);

}  // namespace xensim::xen
