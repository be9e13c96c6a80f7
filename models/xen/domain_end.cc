#include "models/xen/domain_end.h"

#include "models/xen/evtchn.h"
#include "models/xen/evtchn_fifo.h"
#include "models/xen/grant_map.h"
#include "models/xen/p2m.h"
#include "models/xen/physical_areas.h"

namespace xensim::xen {
namespace {

void cancel_timers(Entry& entry, Domain& domain) {
  constexpr TimerKind kPerVcpu[] = {TimerKind::kSingleshot, TimerKind::kPeriodic, TimerKind::kPoll};
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    for (const TimerKind kind : kPerVcpu) entry.platform().cancel_timer({kind, {domain.id(), VcpuId{number}}});
  }
  for (const TimerKind kind : {TimerKind::kWatchdog0, TimerKind::kWatchdog1}) {
    entry.platform().cancel_timer({kind, {domain.id(), VcpuId{0}}});
  }
}

}  // namespace

void destroy_domain(Entry& entry, Domain& domain) {
  if (domain.dying.exchange(true)) return;
  if (!domain.shut_down.exchange(true)) entry.platform().shutdown(domain.id(), ShutdownReason::kPoweroff);
  cancel_timers(entry, domain);
  for (uint32_t port = 1; domain.evtchn.find(port) != nullptr; ++port) close_port(entry, domain, port);
  {
    const LockGuard guard(entry, domain.evtchn.event_lock);
    leave_fifo(domain);  // its channels hold pages
  }
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) release_places(entry, *domain.vcpu(number));
  release_grant_mappings(entry, domain);
  domain.p2m().tear_down();
  bury_if_unused(entry, domain);
}

void bury_if_unused(Entry& entry, Domain& domain) {
  if (!domain.dying.load() || domain.p2m().any_referenced()) return;
  if (!domain.gone.exchange(true)) entry.platform().release_domain(domain.id());
}

}  // namespace xensim::xen
