#include "models/xen/soft_reset.h"

#include <array>

#include "models/xen/abi/public.h"
#include "models/xen/evtchn.h"
#include "models/xen/grant_table.h"
#include "models/xen/p2m.h"
#include "models/xen/physical_areas.h"
#include "models/xen/poll.h"
#include "models/xen/timers.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

bool asked_for(Entry& entry, Domain& domain) {
  LockGuard guard(entry, domain.lock);
  return domain.shut_down.load() && domain.shutdown_code == SHUTDOWN_soft_reset;
}

// As at the domain's creation: xenstore's and the console's, from port 1 on.
void take_toolstack_ports(Entry& entry, Domain& domain) {
  LockGuard guard(entry, domain.evtchn.event_lock);
  for (uint32_t port = 1; port <= domain.evtchn.toolstack_ports; ++port) {
    Channel& channel = domain.evtchn.at(port);
    LockGuard channel_guard(entry, channel.lock);
    channel.state = ChannelState::kInterdomain;
    channel.remote_dom = DomId{0};
    channel.remote_port = port;
    ++domain.evtchn.active;
  }
}

void forget_areas(Entry& entry, Vcpu& vcpu) {
  {
    LockGuard guard(entry, vcpu.lock);
    vcpu.runstate_area = {};
  }
  release_places(entry, vcpu);
  if (!vcpu.info_registered.exchange(false)) return;
  vcpu.info_at.store(first_vcpu_info(vcpu.domain(), vcpu.id()));
}

void forget_time_areas(Entry& entry, Domain& domain) {
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    Vcpu& vcpu = *domain.vcpu(number);
    LockGuard guard(entry, vcpu.lock);
    vcpu.time_area = {};
  }
}

// The page that stood for shared_info in the guest's map is an ordinary one from now on, or mapping shared_info
// elsewhere would leave a hole. false: it was not mapped.
bool replace_shared_info(Entry& entry, Domain& domain) {
  P2m& p2m = domain.p2m();
  LockGuard guard(entry, p2m.lock);
  const Maybe<Gfn> gfn = p2m.gfn_of(Mfn{domain.shared_info().v >> kPageShift});
  if (!gfn) return false;
  p2m.set(*gfn, {});
  if (!p2m.take_allowance(1)) return true;
  const P2m::NewPage page = p2m.new_page();
  constexpr std::array<std::byte, kPageSize> kZeroes{};
  if (!page.zeroed) entry.platform().write(Site::kGuestData, Maddr{page.frame.v << kPageShift}, kZeroes);
  p2m.set(*gfn, {PageType::kRam, page.frame});
  return true;
}

void forget_callbacks_and_timers(Entry& entry, Domain& domain) {
  set_callback_via(entry, domain, 0);
  {
    LockGuard guard(entry, domain.lock);
    domain.hvm_params[HVM_PARAM_CALLBACK_IRQ] = 0;
  }
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    Vcpu& vcpu = *domain.vcpu(number);
    vcpu.upcall_vector.store(0);
    stop_singleshot(entry, vcpu);
  }
}

void clear_grants(Entry& entry, Domain& domain) {
  GrantTable& grants = domain.grants();
  LockGuard guard(entry, grants.lock);
  constexpr std::array<std::byte, kPageSize> kZeroes{};
  for (uint32_t index = 0; index < grants.frames(); ++index) {
    entry.platform().write(Site::kGrantEntry, Maddr{grants.frame(index).v << kPageShift}, kZeroes);
  }
}

void resume(Entry& entry, Domain& domain) {
  {
    LockGuard guard(entry, domain.lock);
    domain.shutdown_code.reset();
    domain.shut_down.store(false);
  }
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) sync_runnable(entry, *domain.vcpu(number));
}

}  // namespace

int64_t soft_reset(Entry& entry, Domain& domain) {
  if (!asked_for(entry, domain)) return -XEN_EINVAL;
  if (const int64_t error = reset_ports(entry, domain, false); error != 0) return error;
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) forget_areas(entry, *domain.vcpu(number));
  const bool was_mapped = replace_shared_info(entry, domain);
  if (entry.flavour().soft_reset_clears_more) {
    forget_callbacks_and_timers(entry, domain);
    clear_grants(entry, domain);
  }
  if (was_mapped || entry.flavour().soft_reset_clears_more) forget_time_areas(entry, domain);
  take_toolstack_ports(entry, domain);
  resume(entry, domain);
  return 0;
}

}  // namespace xensim::xen
