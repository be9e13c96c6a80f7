#include "models/xen/evtchn.h"

#include "models/xen/abi/public.h"
#include "models/xen/port_ops.h"

namespace xensim::xen {

bool virq_is_global(uint32_t virq) {
  return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

int64_t send_event(Entry& entry, Domain& domain, uint32_t port) {
  Channel* local = domain.evtchn.find(port);
  if (local == nullptr) return -XEN_EINVAL;
  // Our own channel's lock keeps the peer's bound to us: close takes both.
  SharedLockGuard guard(entry, local->lock);
  switch (local->state) {
    case ChannelState::kInterdomain:
      if (local->remote != nullptr) {
        raise(entry, *local->remote, local->remote->evtchn.at(local->remote_port));
      } else {
        entry.platform().outside_event(domain.id(), Port{port});
      }
      return 0;
    case ChannelState::kIpi: raise(entry, domain, *local); return 0;
    case ChannelState::kUnbound: return 0;  // dropped without a word
    default: return -XEN_EINVAL;
  }
}

int64_t raise_external_event(Entry& entry, Domain& domain, uint32_t port) {
  Channel* channel = domain.evtchn.find(port);
  if (channel == nullptr) return -XEN_EINVAL;
  SharedLockGuard guard(entry, channel->lock);
  if (!channel->usable()) return -XEN_EINVAL;
  raise(entry, domain, *channel);
  return 0;
}

// Senders of VIRQs wait for the channel's lock, where Xen's give the event up if a writer has it (evtchn_read_trylock).
// With a VIRQ none ever has it: the sender holds virq_lock, under which it found the port. Bind puts the port into that
// table after it has released the channel's lock; close takes it out, with virq_lock held alone, before it takes the
// channel's; and nothing else of Xen's writes to a channel in that state.
void send_domain_virq(Entry& entry, Domain& domain, uint32_t virq) {
  XS_CHECK(virq_is_global(virq));
  Vcpu& vcpu = *domain.vcpu(0);
  SharedLockGuard virq_guard(entry, vcpu.virq_lock);
  const uint32_t port = vcpu.virq_port[virq].load();
  if (port == 0) return;
  Channel& channel = domain.evtchn.at(port);
  SharedLockGuard guard(entry, channel.lock);
  raise(entry, domain, channel);
}

void send_host_virq(Entry& entry, uint32_t virq) {
  for (const std::unique_ptr<Domain>& domain : entry.hv.domains()) {
    if (domain->privileged()) return send_domain_virq(entry, *domain, virq);
  }
}

void send_vcpu_virq(Entry& entry, Vcpu& vcpu, uint32_t virq) {
  SharedLockGuard virq_guard(entry, vcpu.virq_lock);
  const uint32_t port = vcpu.virq_port[virq].load();
  if (port == 0) return;
  Domain& domain = vcpu.domain();
  Channel& channel = domain.evtchn.at(port);
  SharedLockGuard guard(entry, channel.lock);
  if (channel.usable()) domain.evtchn.ops().set_pending(entry, vcpu, channel);
}

int64_t unmask_port(Entry& entry, Domain& domain, uint32_t port) {
  Channel* channel = domain.evtchn.find(port);
  if (channel == nullptr) return -XEN_EINVAL;
  SharedLockGuard guard(entry, channel->lock);
  if (channel->usable()) {
    domain.evtchn.ops().unmask(entry, domain, *channel);
  } else if (entry.flavour().unmask_closed_einval) {
    return -XEN_EINVAL;
  }
  return 0;
}

int64_t set_port_priority(Entry& entry, Domain& domain, uint32_t port, uint32_t priority) {
  Channel* channel = domain.evtchn.find(port);
  if (channel == nullptr) return -XEN_EINVAL;
  SharedLockGuard guard(entry, channel->lock);
  return domain.evtchn.ops().set_priority(entry, domain, *channel, priority);
}

int64_t bind_vcpu(Entry& entry, Domain& domain, uint32_t port, uint32_t number) {
  if (domain.vcpu(number) == nullptr) return -XEN_ENOENT;
  Channel* channel = domain.evtchn.find(port);
  if (channel == nullptr) return -XEN_EINVAL;
  LockGuard guard(entry, domain.evtchn.event_lock);
  const bool movable = channel->state == ChannelState::kUnbound || channel->state == ChannelState::kInterdomain ||
                       channel->state == ChannelState::kPirq ||
                       (channel->state == ChannelState::kVirq && virq_is_global(channel->irq));
  if (!movable) return -XEN_EINVAL;
  channel->notify_vcpu.store(number);
  if (entry.flavour().bind_vcpu_reraises && domain.evtchn.ops().is_pending(entry, domain, *channel)) {
    domain.evtchn.ops().announce(entry, *domain.vcpu(number), *channel);
  }
  return 0;
}

}  // namespace xensim::xen
