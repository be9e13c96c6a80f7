#include "models/xen/hypervisor.h"

#include "models/xen/abi/public.h"

namespace xensim::xen {
namespace {

using Handler = int64_t (*)(HypercallContext&);
constexpr uint64_t kHypercalls = 64;

constexpr std::array<Handler, kHypercalls> make_handlers() {
  std::array<Handler, kHypercalls> handlers{};
#define XS_HYPERCALL(number, name, handler, registers) handlers[number] = handler;
#define XS_NO_HYPERCALL(number, name)
#define XS_SUBOP(call, number, name, argument)
#include "models/xen/abi/hypercalls.def"
#undef XS_HYPERCALL
#undef XS_NO_HYPERCALL
#undef XS_SUBOP
  return handlers;
}

constexpr std::array<Handler, kHypercalls> kHandlers = make_handlers();

// Trait few_hypercalls: these alone are there.
bool is_one_of_few(uint64_t number) {
  switch (number) {
    case __HYPERVISOR_memory_op:
    case __HYPERVISOR_set_timer_op:
    case __HYPERVISOR_xen_version:
    case __HYPERVISOR_grant_table_op:
    case __HYPERVISOR_vcpu_op:
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_event_channel_op:
    case __HYPERVISOR_physdev_op:
    case __HYPERVISOR_hvm_op: return true;
    default: return false;
  }
}

// Trait holes_read_zero is QEMU's; these calls are KVM's own, which gives -EFAULT as Xen does.
bool served_by_kernel(const HypercallRegs& regs) {
  switch (regs.nr) {
    case __HYPERVISOR_sched_op: return true;
    case __HYPERVISOR_event_channel_op: return regs.args[0] == EVTCHNOP_send;
    case __HYPERVISOR_vcpu_op:
      return regs.args[0] == VCPUOP_set_singleshot_timer || regs.args[0] == VCPUOP_stop_singleshot_timer;
    default: return false;
  }
}

// Does KVM answer without asking user space? Ports that QEMU knows of are KVM's to send.
bool answered_by_kernel(const HypercallContext& context, int64_t result) {
  const uint64_t op = context.regs.args[0];
  const bool timer_bound = context.vcpu.virq_port[VIRQ_TIMER].load(std::memory_order_relaxed) != 0;
  switch (context.regs.nr) {
    case __HYPERVISOR_xen_version: return op == XENVER_version;
    case __HYPERVISOR_event_channel_op: return op == EVTCHNOP_send && result >= 0;
    case __HYPERVISOR_sched_op: return op == SCHEDOP_poll || op == SCHEDOP_yield;
    case __HYPERVISOR_set_timer_op: return timer_bound;
    case __HYPERVISOR_vcpu_op:
      return timer_bound && (op == VCPUOP_set_singleshot_timer || op == VCPUOP_stop_singleshot_timer);
    default: return false;
  }
}

}  // namespace

Domain* HypercallContext::domain_by_any_id(DomId id) const { return id.v == DOMID_SELF ? &domain : hv.find_domain(id); }

int64_t HypercallContext::absent_domain_error(DomId id) const {
  return id.v == 0 && !flavour().no_toolstack_domain ? -XEN_EPERM : -XEN_ESRCH;
}

int64_t dispatch_hypercall(HypercallContext& context) {
  const uint64_t number = context.regs.nr;
  if (number >= kHypercalls || kHandlers[number] == nullptr) return -XEN_ENOSYS;
  if (context.flavour().few_hypercalls && !is_one_of_few(number)) return -XEN_ENOSYS;
  context.holes_read_zero = context.flavour().holes_read_zero && !served_by_kernel(context.regs);
  return kHandlers[number](context);
}

void note_outside_answer(HypercallContext& context, int64_t result) {
  if (!answered_by_kernel(context, result)) context.vcpu.outside_answer = result;
}

}  // namespace xensim::xen
