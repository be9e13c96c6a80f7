// Event channel operations, as other parts of the core use them; the hypercall itself is in evtchn_op.cc.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Is this VIRQ one of the domain (or the host), and not of each vCPU? `virq` is below kVirqCount.
bool virq_is_global(uint32_t virq);

// A notification from a domain's local port: 0, or -EINVAL where nothing can be sent.
int64_t send_event(Entry& entry, Domain& domain, uint32_t port);
// An event from outside on a local port that is open: 0, or -EINVAL.
int64_t raise_external_event(Entry& entry, Domain& domain, uint32_t port);
// A VIRQ of the domain, if it is bound; of the host: it goes to the host-kernel domain, if there is one.
void send_domain_virq(Entry& entry, Domain& domain, uint32_t virq);
void send_host_virq(Entry& entry, uint32_t virq);
// A VIRQ of one vCPU, if it is bound.
void send_vcpu_virq(Entry& entry, Vcpu& vcpu, uint32_t virq);

// Binding (evtchn_bind.cc): the new port, or a negative errno.
int64_t alloc_unbound(Entry& entry, Domain& domain, DomId remote);
int64_t bind_interdomain(Entry& entry, Domain& domain, Domain& remote, uint32_t remote_port);
// With a port of domain 0, which lies outside.
int64_t bind_toolstack(Entry& entry, Domain& domain, uint32_t remote_port);
int64_t bind_virq(Entry& entry, Domain& domain, uint32_t virq, uint32_t vcpu);
int64_t bind_pirq(Entry& entry, Domain& domain, uint32_t pirq);
int64_t bind_ipi(Entry& entry, Domain& domain, uint32_t vcpu);

// 0, or a negative errno.
int64_t bind_vcpu(Entry& entry, Domain& domain, uint32_t port, uint32_t vcpu);
int64_t set_port_priority(Entry& entry, Domain& domain, uint32_t port, uint32_t priority);
int64_t unmask_port(Entry& entry, Domain& domain, uint32_t port);
int64_t close_port(Entry& entry, Domain& domain, uint32_t port);
// EVTCHNOP_reset: closes every port of the domain and turns back to 2-level channels. 0, -EAGAIN (ports were opened
// meanwhile) or -EBUSY: a reset is going on; or, `resuming` (EVTCHNOP_reset_cont), none is.
int64_t reset_ports(Entry& entry, Domain& domain, bool resuming);

}  // namespace xensim::xen
