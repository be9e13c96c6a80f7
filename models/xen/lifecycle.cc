#include "models/xen/lifecycle.h"

#include "models/xen/abi/public.h"
#include "models/xen/evtchn.h"
#include "models/xen/grant_map.h"
#include "models/xen/grant_table.h"
#include "models/xen/physical_areas.h"
#include "models/xen/poll.h"

namespace xensim::xen {
namespace {

// A reason that no toolstack knows ends as a crash does.
ShutdownReason reason_of(uint8_t code) {
  return code <= SHUTDOWN_soft_reset ? static_cast<ShutdownReason>(code) : ShutdownReason::kCrash;
}

}  // namespace

void shut_down(Entry& entry, Domain& domain, uint8_t reason) {
  {
    LockGuard guard(entry, domain.lock);
    if (!domain.shutdown_code) domain.shutdown_code = reason;
    reason = *domain.shutdown_code;
    if (domain.shut_down.exchange(true)) return;
  }
  // The toolstack destroys what has ended: others' pages are free of it.
  if (reason != SHUTDOWN_soft_reset) {
    release_grant_mappings(entry, domain);
    for (uint32_t number = 0; number < domain.vcpu_count(); ++number) release_places(entry, *domain.vcpu(number));
  }
  entry.platform().shutdown(domain.id(), reason_of(reason));
  send_host_virq(entry, VIRQ_DOM_EXC);
}

bool any_up(Domain& domain, const Vcpu* except) {
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    Vcpu& vcpu = *domain.vcpu(number);
    if (&vcpu != except && vcpu.down.load() == 0) return true;
  }
  return false;
}

void take_down(Entry& entry, Vcpu& vcpu) {
  vcpu.down.store(1);
  sync_runnable(entry, vcpu);
  bool last = false;
  {
    LockGuard guard(entry, vcpu.domain().lock);
    last = !any_up(vcpu.domain(), nullptr);
  }
  if (last) shut_down(entry, vcpu.domain(), SHUTDOWN_poweroff);
}

}  // namespace xensim::xen
