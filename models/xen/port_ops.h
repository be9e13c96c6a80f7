// What an event channel ABI does with a port's bits in guest memory.
//
// Every call is made with a lock held that keeps the channel's state from changing: the channel's own (also the other
// side's, for an interdomain send), or the domain's event lock.
#pragma once

#include "models/xen/hypervisor.h"

namespace xensim::xen {

class PortOps {
 public:
  virtual ~PortOps() = default;
  // An event on `channel` of `vcpu`'s domain, for `vcpu`.
  virtual void set_pending(Entry& entry, Vcpu& vcpu, Channel& channel) const = 0;
  virtual void clear_pending(Entry& entry, Domain& domain, Channel& channel) const = 0;
  virtual void unmask(Entry& entry, Domain& domain, Channel& channel) const = 0;
  // Tells `vcpu` again of a pending event: the selector and the upcall alone.
  virtual void announce(Entry& entry, Vcpu& vcpu, Channel& channel) const = 0;
  virtual bool is_pending(Entry& entry, Domain& domain, Channel& channel) const = 0;
  // How many ports the ABI has, in the layout the domain has latched.
  virtual uint32_t port_limit(const Domain& domain) const = 0;
};

// The 2-level ABI (evtchn_2l.cc); it has no state.
const PortOps& two_level_port_ops();

// Sets an event pending on a usable channel, for the vCPU it is bound to; others are left alone.
inline void raise(Entry& entry, Domain& domain, Channel& channel) {
  if (!channel.usable()) return;
  if (channel.outside.load(std::memory_order_relaxed)) [[unlikely]] {
    return entry.platform().host_event(domain.id(), Port{channel.port});
  }
  // Read once: bind_vcpu may change it meanwhile.
  Vcpu* vcpu = domain.vcpu(channel.notify_vcpu.load());
  XS_CHECK(vcpu != nullptr);
  domain.evtchn.ops->set_pending(entry, *vcpu, channel);
}

}  // namespace xensim::xen
