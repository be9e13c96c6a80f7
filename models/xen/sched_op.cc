// Hypercall 29, SCHED_OP. Going to sleep and being woken is in poll.cc.
#include "models/xen/abi/public.h"
#include "models/xen/arguments.h"
#include "models/xen/lifecycle.h"
#include "models/xen/poll.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kWatchdogs = 2;  // Xen, NR_DOMAIN_WATCHDOG_TIMERS
constexpr uint64_t kNsPerSecond = 1'000'000'000;

Gva argument(const HypercallContext& context) { return {context.arg(1)}; }

int64_t op_block(HypercallContext& context) {
  unmask_upcalls(context, context.vcpu);
  block(context, context.vcpu, context.regs.interrupts_enabled);
  return 0;
}

// Trait shutdown_few_reasons: what QEMU has a way of its own to do.
bool few_reasons_have(uint32_t reason) {
  return reason == SHUTDOWN_poweroff || reason == SHUTDOWN_reboot || reason == SHUTDOWN_crash ||
         reason == SHUTDOWN_soft_reset;
}

int64_t op_shutdown(HypercallContext& context) {
  const auto args = read_argument<sched_shutdown>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  if (context.flavour().shutdown_few_reasons && !few_reasons_have(args->reason)) return -XEN_EINVAL;
  shut_down(context, context.domain, static_cast<uint8_t>(args->reason));
  return 0;
}

int64_t op_shutdown_code(HypercallContext& context) {
  const auto args = read_argument<sched_shutdown>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  LockGuard guard(context, context.domain.lock);
  if (!context.domain.shutdown_code) context.domain.shutdown_code = static_cast<uint8_t>(args->reason);
  return 0;
}

// Another domain may be shut down by who is privileged, and by no guest.
int64_t op_remote_shutdown(HypercallContext& context) {
  const auto args = read_argument<sched_remote_shutdown>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  Domain* domain = context.hv.find_domain(DomId{args->domain_id});
  if (domain == nullptr) return context.absent_domain_error(DomId{args->domain_id});
  if (!context.domain.privileged()) return -XEN_EPERM;
  shut_down(context, *domain, static_cast<uint8_t>(args->reason));
  return 0;
}

TimerId watchdog_timer(const Domain& domain, uint32_t index) {
  return {index == 0 ? TimerKind::kWatchdog0 : TimerKind::kWatchdog1, {domain.id(), VcpuId{0}}};
}

void arm_watchdog(HypercallContext& context, uint32_t index, uint32_t timeout_s) {
  const uint64_t now = context.platform().now().v;
  context.platform().arm_timer(watchdog_timer(context.domain, index), VirtualNs{now + timeout_s * kNsPerSecond});
}

// id 0: takes a free watchdog, whose id (1 or 2) is the result. Else re-arms it, or gives it back (timeout 0).
int64_t op_watchdog(HypercallContext& context) {
  const auto args = read_argument<sched_watchdog>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  if (args->id > kWatchdogs) return -XEN_EINVAL;
  LockGuard guard(context, context.domain.lock);
  uint32_t& in_use = context.domain.watchdogs_in_use;
  if (args->id == 0) {
    for (uint32_t index = 0; index < kWatchdogs; ++index) {
      if (((in_use >> index) & 1) != 0) continue;
      in_use |= 1u << index;
      arm_watchdog(context, index, args->timeout);
      return index + 1;
    }
    // -ENOSPC, but never sign-extended: Xen computes it in an unsigned int.
    return static_cast<uint32_t>(-XEN_ENOSPC);
  }
  const uint32_t index = args->id - 1;
  if (((in_use >> index) & 1) == 0) return -XEN_EINVAL;
  if (args->timeout != 0) {
    arm_watchdog(context, index, args->timeout);
  } else {
    context.platform().cancel_timer(watchdog_timer(context.domain, index));
    in_use &= ~(1u << index);
  }
  return 0;
}

}  // namespace

int64_t do_sched_op(HypercallContext& context) {
  const uint32_t op = static_cast<uint32_t>(context.arg(0));
  const bool offered_by_kvm = op == SCHEDOP_yield || op == SCHEDOP_shutdown || op == SCHEDOP_poll;
  if (context.flavour().sched_ops_enosys && !offered_by_kvm) return -XEN_ENOSYS;
  switch (op) {
    case SCHEDOP_yield: context.platform().yield(context.vcpu.ref()); return 0;
    case SCHEDOP_block: return op_block(context);
    case SCHEDOP_shutdown: return op_shutdown(context);
    case SCHEDOP_shutdown_code: return op_shutdown_code(context);
    case SCHEDOP_poll: return poll(context);
    case SCHEDOP_remote_shutdown: return op_remote_shutdown(context);
    case SCHEDOP_watchdog: return op_watchdog(context);
    case SCHEDOP_pin_override: return -XEN_EPERM;
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
