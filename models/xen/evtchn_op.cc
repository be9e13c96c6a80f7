// Hypercall 32, EVENT_CHANNEL_OP: arguments in, operation, results out. The structs are the same in both widths.
#include "models/xen/abi/public.h"
#include "models/xen/arguments.h"
#include "models/xen/evtchn.h"
#include "models/xen/evtchn_fifo.h"
#include "models/xen/port_ops.h"

namespace xensim::xen {
namespace {

Gva argument(const HypercallContext& context) { return {context.arg(1)}; }

// May the caller act on `target`? (Xen: XSM_TARGET without a policy.)
bool may_target(const HypercallContext& context, const Domain& target) {
  return &target == &context.domain || context.domain.privileged();
}

// Trait port_range_first: what -EINVAL is given for before anything else is looked at.
bool out_of_range(const HypercallContext& context, uint32_t port) {
  const Domain& domain = context.domain;
  return context.flavour().port_range_first && (port == 0 || port >= domain.evtchn.ops().port_limit(domain));
}

// Puts a new port into its field and gives the struct back.
template <class Args, class Field>
int64_t give_port(HypercallContext& context, Args args, Field Args::*field, int64_t port) {
  if (port < 0) return port;
  args.*field = static_cast<Field>(port);
  return write_guest(context, argument(context), args) ? 0 : -XEN_EFAULT;
}

int64_t op_alloc_unbound(HypercallContext& context) {
  const auto args = read_argument<evtchn_alloc_unbound>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  Domain* domain = context.domain_by_any_id(DomId{args->dom});
  if (domain == nullptr) return context.absent_domain_error(DomId{args->dom});
  if (!may_target(context, *domain)) return -XEN_EPERM;
  const DomId remote = args->remote_dom == DOMID_SELF ? context.domain.id() : DomId{args->remote_dom};
  if (context.flavour().alloc_unbound_known_remotes && remote.v != 0 && remote != context.domain.id()) {
    return -XEN_EPERM;
  }
  return give_port(context, *args, &evtchn_alloc_unbound::port, alloc_unbound(context, *domain, remote));
}

int64_t op_bind_interdomain(HypercallContext& context) {
  const auto args = read_argument<evtchn_bind_interdomain>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  Domain* remote = context.domain_by_any_id(DomId{args->remote_dom});
  // Domain 0 is there, outside.
  if (remote == nullptr && args->remote_dom != 0) return -XEN_ESRCH;
  if (out_of_range(context, args->remote_port)) return -XEN_EINVAL;
  const int64_t port = remote != nullptr ? bind_interdomain(context, context.domain, *remote, args->remote_port)
                                         : bind_toolstack(context, context.domain, args->remote_port);
  return give_port(context, *args, &evtchn_bind_interdomain::local_port, port);
}

int64_t op_bind_virq(HypercallContext& context) {
  const auto args = read_argument<evtchn_bind_virq>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  return give_port(context, *args, &evtchn_bind_virq::port, bind_virq(context, context.domain, args->virq, args->vcpu));
}

int64_t op_bind_ipi(HypercallContext& context) {
  const auto args = read_argument<evtchn_bind_ipi>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  return give_port(context, *args, &evtchn_bind_ipi::port, bind_ipi(context, context.domain, args->vcpu));
}

int64_t op_bind_pirq(HypercallContext& context) {
  const auto args = read_argument<::evtchn_bind_pirq>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  return give_port(context, *args, &::evtchn_bind_pirq::port, bind_pirq(context, context.domain, args->pirq));
}

int64_t op_close(HypercallContext& context) {
  const auto args = read_argument<evtchn_close>(context, argument(context));
  return args ? close_port(context, context.domain, args->port) : -XEN_EFAULT;
}

int64_t op_send(HypercallContext& context) {
  const auto args = read_argument<evtchn_send>(context, argument(context));
  return args ? send_event(context, context.domain, args->port) : -XEN_EFAULT;
}

void describe(const Channel& channel, evtchn_status& status) {
  status.vcpu = channel.notify_vcpu.peek();
  switch (channel.state) {
    case ChannelState::kFree:
    case ChannelState::kReserved: status.status = EVTCHNSTAT_closed; return;
    case ChannelState::kUnbound:
      status.status = EVTCHNSTAT_unbound;
      status.u.unbound.dom = channel.remote_dom.v;
      return;
    case ChannelState::kInterdomain:
      status.status = EVTCHNSTAT_interdomain;
      status.u.interdomain.dom = channel.remote_dom.v;
      status.u.interdomain.port = channel.remote_port;
      return;
    case ChannelState::kPirq:
      status.status = EVTCHNSTAT_pirq;
      status.u.pirq = channel.irq;
      return;
    case ChannelState::kVirq:
      status.status = EVTCHNSTAT_virq;
      status.u.virq = channel.irq;
      return;
    case ChannelState::kIpi: status.status = EVTCHNSTAT_ipi; return;
  }
}

int64_t op_status(HypercallContext& context) {
  auto args = read_argument<evtchn_status>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  Domain* domain = context.domain_by_any_id(DomId{args->dom});
  if (domain == nullptr) {
    const bool beyond = args->dom == 0 && args->port >= EvtchnTable::kPortsPerBucket;
    return beyond && !context.flavour().no_toolstack_domain ? -XEN_EINVAL
                                                            : context.absent_domain_error(DomId{args->dom});
  }
  if (args->port == 0 && context.flavour().status_port0_einval) return -XEN_EINVAL;
  Channel* channel = domain->evtchn.find(args->port);
  if (channel == nullptr) {
    if (!context.flavour().status_never_allocated || args->port >= domain->evtchn.ops().port_limit(*domain)) {
      return -XEN_EINVAL;
    }
    args->status = EVTCHNSTAT_closed;
    args->vcpu = 0;
    return write_guest(context, argument(context), *args) ? 0 : -XEN_EFAULT;
  }
  {
    SharedLockGuard guard(context, domain->evtchn.event_lock);
    if (!may_target(context, *domain)) return -XEN_EPERM;
    describe(*channel, *args);
  }
  return write_guest(context, argument(context), *args) ? 0 : -XEN_EFAULT;
}

int64_t op_bind_vcpu(HypercallContext& context) {
  const auto args = read_argument<evtchn_bind_vcpu>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  if (out_of_range(context, args->port)) return -XEN_EINVAL;
  return bind_vcpu(context, context.domain, args->port, args->vcpu);
}

int64_t op_unmask(HypercallContext& context) {
  const auto args = read_argument<evtchn_unmask>(context, argument(context));
  return args ? unmask_port(context, context.domain, args->port) : -XEN_EFAULT;
}

int64_t op_reset(HypercallContext& context, bool resuming) {
  const auto args = read_argument<evtchn_reset>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  Domain* domain = context.domain_by_any_id(DomId{args->dom});
  if (domain == nullptr) return context.absent_domain_error(DomId{args->dom});
  if (!may_target(context, *domain)) return -XEN_EPERM;
  // Another domain's ports may only be reset while its toolstack has paused it, which nothing here does.
  if (domain != &context.domain) return -XEN_EINVAL;
  return reset_ports(context, *domain, resuming);
}

int64_t op_init_control(HypercallContext& context) {
  if (context.flavour().fifo_enosys) return -XEN_ENOSYS;
  auto args = read_argument<evtchn_init_control>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  const int64_t error = init_control(context, context.domain, args->vcpu, Gfn{args->control_gfn}, args->offset);
  if (error != 0) return error;
  args->link_bits = EVTCHN_FIFO_LINK_BITS;
  return write_guest(context, argument(context), *args) ? 0 : -XEN_EFAULT;
}

int64_t op_expand_array(HypercallContext& context) {
  if (context.flavour().fifo_enosys) return -XEN_ENOSYS;
  const auto args = read_argument<evtchn_expand_array>(context, argument(context));
  return args ? expand_array(context, context.domain, Gfn{args->array_gfn}) : -XEN_EFAULT;
}

int64_t op_set_priority(HypercallContext& context) {
  if (context.flavour().fifo_enosys) return -XEN_ENOSYS;
  const auto args = read_argument<evtchn_set_priority>(context, argument(context));
  return args ? set_port_priority(context, context.domain, args->port, args->priority) : -XEN_EFAULT;
}

}  // namespace

int64_t do_event_channel_op(HypercallContext& context) {
  switch (static_cast<uint32_t>(context.arg(0))) {
    case EVTCHNOP_bind_interdomain: return op_bind_interdomain(context);
    case EVTCHNOP_bind_virq: return op_bind_virq(context);
    case EVTCHNOP_bind_pirq: return op_bind_pirq(context);
    case EVTCHNOP_close: return op_close(context);
    case EVTCHNOP_send: return op_send(context);
    case EVTCHNOP_status: return op_status(context);
    case EVTCHNOP_alloc_unbound: return op_alloc_unbound(context);
    case EVTCHNOP_bind_ipi: return op_bind_ipi(context);
    case EVTCHNOP_bind_vcpu: return op_bind_vcpu(context);
    case EVTCHNOP_unmask: return op_unmask(context);
    case EVTCHNOP_reset: return op_reset(context, false);
    case kEvtchnopResetCont: return context.flavour().fifo_enosys ? -XEN_ENOSYS : op_reset(context, true);
    case EVTCHNOP_init_control: return op_init_control(context);
    case EVTCHNOP_expand_array: return op_expand_array(context);
    case EVTCHNOP_set_priority: return op_set_priority(context);
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
