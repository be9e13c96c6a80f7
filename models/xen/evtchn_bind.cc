// Taking, binding and closing ports. All of it holds the domain's event lock; the state of a channel changes under its
// own lock too, so that senders, who hold that one alone, see a channel whole.
#include <optional>

#include "models/xen/abi/public.h"
#include "models/xen/evtchn.h"
#include "models/xen/evtchn_fifo.h"
#include "models/xen/port_ops.h"

namespace xensim::xen {
namespace {

// PIRQs of a domain: on Xen the host's GSIs (24) and 32 more, whatever the domain has of devices; none of them ever
// fires here.
constexpr uint32_t kPirqs = 56;
constexpr uint32_t kWidePirqs = 256;

// Event locks of two domains, the lower domain id first; once if they are the same.
class XS_SCOPED_CAPABILITY EventLocks {
 public:
  EventLocks(Entry& entry, Domain& a, Domain& b) XS_ACQUIRE(a.evtchn.event_lock, b.evtchn.event_lock)
      : first_(entry, (a.id() <= b.id() ? a : b).evtchn.event_lock) {
    if (&a != &b) second_.emplace(entry, (a.id() <= b.id() ? b : a).evtchn.event_lock);
  }
  ~EventLocks() XS_RELEASE() {}

 private:
  LockGuard first_;
  std::optional<LockGuard> second_;
};

// Two channels, in the order of domain and port.
class XS_SCOPED_CAPABILITY ChannelLocks {
 public:
  ChannelLocks(Entry& entry, Channel& a, Channel& b) XS_ACQUIRE(a.lock, b.lock)
      : first_(entry, a.lock.order() < b.lock.order() ? a.lock : b.lock),
        second_(entry, a.lock.order() < b.lock.order() ? b.lock : a.lock) {}
  ~ChannelLocks() XS_RELEASE() {}

 private:
  LockGuard first_, second_;
};

// Takes a port for an IPI, a VIRQ or a PIRQ, for vCPU `number`.
int64_t take_bound_port(Entry& entry, Domain& domain, ChannelState state, uint32_t number, uint32_t irq)
    XS_REQUIRES(domain.evtchn.event_lock) {
  const int64_t port = domain.evtchn.allocate(entry, domain);
  if (port < 0) return port;
  Channel& channel = domain.evtchn.at(static_cast<uint32_t>(port));
  LockGuard guard(entry, channel.lock);
  channel.state = state;
  channel.irq = irq;
  channel.notify_vcpu.store(number);
  domain.evtchn.ops().bound(entry, domain, channel);
  return port;
}

// May a channel to the toolstack's port be bound? 0, or why not.
int64_t toolstack_port_error(const Entry& entry, Domain& domain, uint32_t remote_port)
    XS_REQUIRES(domain.evtchn.event_lock) {
  if (!entry.flavour().backend_ports) return -XEN_EINVAL;
  if (remote_port == 0 || remote_port > domain.evtchn.toolstack_ports) return -XEN_ENOENT;
  for (uint32_t port = 1; port < domain.evtchn.valid_ports.peek(); ++port) {
    const Channel& channel = domain.evtchn.at(port);
    if (channel.state == ChannelState::kInterdomain && channel.remote == nullptr &&
        channel.remote_port == remote_port) {
      return -XEN_EBUSY;
    }
  }
  return 0;
}

void free_channel(Entry& entry, Domain& domain, Channel& channel) XS_REQUIRES(domain.evtchn.event_lock, channel.lock) {
  // Cleared, so that who binds the port next finds no event of ours.
  domain.evtchn.ops().clear_pending(entry, domain, channel);
  domain.evtchn.release(channel);
}

// Closes a channel that has no peer in another table. `domain`'s event lock is held.
int64_t close_alone(Entry& entry, Domain& domain, Channel& channel) XS_REQUIRES(domain.evtchn.event_lock) {
  if (channel.state == ChannelState::kVirq) {
    const uint32_t owner = virq_is_global(channel.irq) ? 0 : channel.notify_vcpu.peek();
    Vcpu& vcpu = *domain.vcpu(owner);
    LockGuard guard(entry, vcpu.virq_lock);
    XS_CHECK(vcpu.virq_port[channel.irq].load() == channel.port);
    vcpu.virq_port[channel.irq].store(0);
  }
  if (channel.state == ChannelState::kPirq) domain.evtchn.pirq_port[channel.irq] = 0;
  LockGuard guard(entry, channel.lock);
  free_channel(entry, domain, channel);
  return 0;
}

// Closes one end of an interdomain channel; the other end, in `remote`, waits for a peer again. The event locks of both
// are held.
int64_t close_pair(Entry& entry, Domain& domain, Channel& channel, Domain& remote)
    XS_REQUIRES(domain.evtchn.event_lock) {
  Channel& peer = remote.evtchn.at(channel.remote_port);
  XS_CHECK(peer.state == ChannelState::kInterdomain && peer.remote == &domain);
  ChannelLocks channel_locks(entry, channel, peer);
  free_channel(entry, domain, channel);
  peer.state = ChannelState::kUnbound;
  peer.remote = nullptr;
  peer.remote_dom = domain.id();
  return 0;
}

// What close does as far as it gets with this domain's event lock first: the result, or nullopt where `remote`'s, the
// lower one, must be taken before it.
std::optional<int64_t> try_close(Entry& entry, Domain& domain, Channel& channel, Domain*& remote) {
  LockGuard guard(entry, domain.evtchn.event_lock);
  if (channel.state == ChannelState::kFree) {
    return entry.flavour().close_free_port_enoent ? -XEN_ENOENT : -XEN_EINVAL;
  }
  if (channel.state == ChannelState::kReserved) return -XEN_EINVAL;
  remote = channel.remote;
  if (channel.state != ChannelState::kInterdomain || remote == nullptr) return close_alone(entry, domain, channel);
  if (remote == &domain) return close_pair(entry, domain, channel, domain);
  if (remote->id() < domain.id()) return std::nullopt;
  LockGuard remote_guard(entry, remote->evtchn.event_lock);
  return close_pair(entry, domain, channel, *remote);
}

}  // namespace

int64_t alloc_unbound(Entry& entry, Domain& domain, DomId remote) {
  LockGuard guard(entry, domain.evtchn.event_lock);
  const int64_t port = domain.evtchn.allocate(entry, domain);
  if (port < 0) return port;
  Channel& channel = domain.evtchn.at(static_cast<uint32_t>(port));
  LockGuard channel_guard(entry, channel.lock);
  channel.state = ChannelState::kUnbound;
  channel.remote_dom = remote;
  domain.evtchn.ops().bound(entry, domain, channel);
  return port;
}

int64_t bind_interdomain(Entry& entry, Domain& domain, Domain& remote, uint32_t remote_port) {
  EventLocks locks(entry, domain, remote);
  const int64_t port = domain.evtchn.allocate(entry, domain);
  if (port < 0) return port;
  Channel& local = domain.evtchn.at(static_cast<uint32_t>(port));
  Channel* peer = remote.evtchn.find(remote_port);
  if (peer == nullptr || peer->state != ChannelState::kUnbound || peer->remote_dom != domain.id()) {
    --domain.evtchn.active;
    return -XEN_EINVAL;
  }
  ChannelLocks channel_locks(entry, local, *peer);
  local.state = ChannelState::kInterdomain;
  local.remote = &remote;
  local.remote_dom = remote.id();
  local.remote_port = remote_port;
  domain.evtchn.ops().bound(entry, domain, local);
  peer->state = ChannelState::kInterdomain;
  peer->remote = &domain;
  peer->remote_dom = domain.id();
  peer->remote_port = local.port;
  // Events that the peer sent before it was bound are lost: one is raised here to make up for them.
  if (!entry.flavour().bind_interdomain_silent) raise(entry, domain, local);
  return port;
}

int64_t bind_toolstack(Entry& entry, Domain& domain, uint32_t remote_port) {
  LockGuard guard(entry, domain.evtchn.event_lock);
  const int64_t port = domain.evtchn.allocate(entry, domain);
  if (port < 0) return port;
  const int64_t error = toolstack_port_error(entry, domain, remote_port);
  if (error != 0) {
    --domain.evtchn.active;
    return error;
  }
  Channel& channel = domain.evtchn.at(static_cast<uint32_t>(port));
  LockGuard channel_guard(entry, channel.lock);
  channel.state = ChannelState::kInterdomain;
  channel.remote_dom = DomId{0};
  channel.remote_port = remote_port;
  domain.evtchn.ops().bound(entry, domain, channel);
  return port;
}

int64_t bind_virq(Entry& entry, Domain& domain, uint32_t virq, uint32_t number) {
  if (virq >= kVirqCount) return -XEN_EINVAL;
  if (virq_is_global(virq) && number != 0) return -XEN_EINVAL;
  Vcpu* vcpu = domain.vcpu(number);
  if (vcpu == nullptr) return -XEN_ENOENT;
  LockGuard guard(entry, domain.evtchn.event_lock);
  if (vcpu->virq_port[virq].load() != 0) {
    if (!entry.flavour().bind_virq_takes_port_first) return -XEN_EEXIST;
    const int64_t port = domain.evtchn.allocate(entry, domain);
    if (port < 0) return port;
    --domain.evtchn.active;
    return -XEN_EEXIST;
  }
  const int64_t port = take_bound_port(entry, domain, ChannelState::kVirq, number, virq);
  if (port > 0) vcpu->virq_port[virq].store(static_cast<uint32_t>(port));
  return port;
}

int64_t bind_pirq(Entry& entry, Domain& domain, uint32_t pirq) {
  const bool wide = entry.flavour().wide_pirqs;
  if (pirq >= (wide ? kWidePirqs : kPirqs)) return -XEN_EINVAL;
  LockGuard guard(entry, domain.evtchn.event_lock);
  std::vector<uint32_t>& ports = domain.evtchn.pirq_port;
  if (ports.size() <= pirq) ports.resize(pirq + 1);
  if (ports[pirq] != 0) return wide ? -XEN_EBUSY : -XEN_EEXIST;
  const int64_t port = take_bound_port(entry, domain, ChannelState::kPirq, 0, pirq);
  if (port > 0) ports[pirq] = static_cast<uint32_t>(port);
  return port;
}

int64_t bind_ipi(Entry& entry, Domain& domain, uint32_t number) {
  if (domain.vcpu(number) == nullptr) return -XEN_ENOENT;
  LockGuard guard(entry, domain.evtchn.event_lock);
  return take_bound_port(entry, domain, ChannelState::kIpi, number, 0);
}

int64_t close_port(Entry& entry, Domain& domain, uint32_t port) {
  Channel* channel = domain.evtchn.find(port);
  if (channel == nullptr) {
    const bool in_range = port < domain.evtchn.ops().port_limit(domain);
    return in_range && entry.flavour().close_free_port_enoent ? -XEN_ENOENT : -XEN_EINVAL;
  }
  Domain* remote = nullptr;
  if (const std::optional<int64_t> result = try_close(entry, domain, *channel, remote)) return *result;
  EventLocks locks(entry, domain, *remote);
  // While no lock was held the port may have been closed and taken anew: as if it had been seen free.
  if (channel->state != ChannelState::kInterdomain || channel->remote != remote) return -XEN_EINVAL;
  return close_pair(entry, domain, *channel, *remote);
}

int64_t reset_ports(Entry& entry, Domain& domain, bool resuming) {
  uint32_t first = 0;
  {
    LockGuard guard(entry, domain.evtchn.event_lock);
    uint32_t& next = domain.evtchn.next_reset;
    first = resuming ? next : next == 0 ? 1 : 0;
    next = std::max(next, first);
  }
  if (first == 0) return -XEN_EBUSY;
  const auto any_left = [&] {
    LockGuard guard(entry, domain.evtchn.event_lock);
    return domain.evtchn.active != 0;
  };
  for (uint32_t port = first; domain.evtchn.find(port) != nullptr && any_left(); ++port) {
    close_port(entry, domain, port);
  }
  LockGuard guard(entry, domain.evtchn.event_lock);
  domain.evtchn.next_reset = 0;
  if (domain.evtchn.active != 0) return -XEN_EAGAIN;
  leave_fifo(domain);
  return 0;
}

}  // namespace xensim::xen
