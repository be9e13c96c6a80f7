// What an event channel ABI does with a port's bits in guest memory.
//
// Every call is made with a lock held that keeps the channel's state from changing: the channel's own (also the other
// side's, for an interdomain send), or the domain's event lock.
#pragma once

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// A port's bits, and whether its vCPU was told of a pending event that it has not looked for yet.
struct PortBits {
  bool pending = false;
  bool masked = false;
  bool announced = false;
};

class PortOps {
 public:
  virtual ~PortOps() = default;
  // A channel was bound: its state is set, under the locks for a change of it.
  virtual void bound(Entry& entry, Domain& domain, Channel& channel) const = 0;
  // An event on `channel` of `vcpu`'s domain, for `vcpu`.
  virtual void set_pending(Entry& entry, Vcpu& vcpu, Channel& channel) const = 0;
  virtual void clear_pending(Entry& entry, Domain& domain, Channel& channel) const = 0;
  virtual void unmask(Entry& entry, Domain& domain, Channel& channel) const = 0;
  // Tells `vcpu` again of a pending event: the selector and the upcall alone.
  virtual void announce(Entry& entry, Vcpu& vcpu, Channel& channel) const = 0;
  virtual bool is_pending(Entry& entry, Domain& domain, Channel& channel) const = 0;
  // Does an event of an earlier binding still stand on a queue? Such a port is not given out.
  virtual bool is_busy(Entry& entry, Domain& domain, Channel& channel) const = 0;
  // EVTCHNOP_set_priority: 0 or a negative errno.
  virtual int64_t set_priority(Entry& entry, Domain& domain, Channel& channel, uint32_t priority) const = 0;
  // How many ports the ABI has, in the layout the domain has latched.
  virtual uint32_t port_limit(const Domain& domain) const = 0;
  // For CoreInspector: no scheduling points.
  virtual PortBits peek(Platform& platform, const Domain& domain, const Channel& channel) const = 0;
};

// The 2-level ABI (evtchn_2l.cc) and FIFO (evtchn_fifo.cc); they have no state of their own.
const PortOps& two_level_port_ops();
const PortOps& fifo_port_ops();

// Sets an event pending on a usable channel, for the vCPU it is bound to; others are left alone.
inline void raise(Entry& entry, Domain& domain, Channel& channel) {
  if (!channel.usable()) return;
  if (channel.outside.load(std::memory_order_relaxed)) [[unlikely]] {
    return entry.platform().host_event(domain.id(), Port{channel.port});
  }
  // Read once: bind_vcpu may change it meanwhile.
  Vcpu* vcpu = domain.vcpu(channel.notify_vcpu.load());
  XS_CHECK(vcpu != nullptr);
  domain.evtchn.ops().set_pending(entry, *vcpu, channel);
}

}  // namespace xensim::xen
