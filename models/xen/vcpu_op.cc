// Hypercall 24, VCPU_OP.
#include "models/xen/abi/compat.h"
#include "models/xen/arguments.h"
#include "models/xen/clock.h"
#include "models/xen/lifecycle.h"
#include "models/xen/physical_areas.h"
#include "models/xen/poll.h"
#include "models/xen/timers.h"
#include "models/xen/vcpu_areas.h"
#include "models/xen/vcpu_context.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kShortestPeriodNs = 1'000'000;
// Xen, STIME_DELTA_MAX: a quarter of the range of a signed 64-bit time.
constexpr uint64_t kLongestPeriodNs = (~uint64_t{0}) >> 2;

Gva argument(const HypercallContext& context) { return {context.arg(2)}; }

int64_t op_initialise(HypercallContext& context, Vcpu& vcpu) {
  // A vCPU that never had a vcpu_info of its own cannot start.
  if (vcpu.info_at.load() == context.domain.dummy_info()) return -XEN_EINVAL;
  const auto start = read_argument<vcpu_hvm_context>(context, argument(context));
  if (!start) return -XEN_EFAULT;
  LockGuard guard(context, context.domain.lock);
  if (vcpu.initialised.load()) return -XEN_EEXIST;
  if (!is_valid_start(*start)) return -XEN_EINVAL;
  context.platform().start_vcpu(vcpu.ref(), VcpuStart{std::as_bytes(std::span(&*start, 1))});
  vcpu.initialised.store(true);
  return 0;
}

int64_t op_up(HypercallContext& context, Vcpu& vcpu) {
  {
    LockGuard guard(context, context.domain.lock);
    if (!vcpu.initialised.load()) return -XEN_EINVAL;
    if (vcpu.down.exchange(0) == 0) return 0;
  }
  sync_runnable(context, vcpu);
  return 0;
}

int64_t op_down(HypercallContext& context, Vcpu& vcpu) {
  if (!any_up(context.domain, &vcpu)) {
    shut_down(context, context.domain, SHUTDOWN_poweroff);
    return 0;
  }
  if (vcpu.down.exchange(1) == 0) sync_runnable(context, vcpu);
  return 0;
}

int64_t op_set_periodic(HypercallContext& context, Vcpu& vcpu) {
  const auto args = read_argument<vcpu_set_periodic_timer>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  if (args->period_ns < kShortestPeriodNs || args->period_ns > kLongestPeriodNs) return -XEN_EINVAL;
  set_periodic(context, vcpu, args->period_ns);
  return 0;
}

bool has_timer_port(HypercallContext& context) { return context.vcpu.virq_port[VIRQ_TIMER].load() != 0; }

struct Singleshot {
  uint64_t deadline_ns;
  uint32_t flags;
};

std::optional<Singleshot> read_singleshot(HypercallContext& context) {
  if (context.mode64() && (!context.flavour().timer_short_argument || has_timer_port(context))) {
    const auto args = read_argument<vcpu_set_singleshot_timer>(context, argument(context));
    return args ? std::optional(Singleshot{args->timeout_abs_ns, args->flags}) : std::nullopt;
  }
  const auto args = read_argument<abi32::vcpu_set_singleshot_timer>(context, argument(context));
  return args ? std::optional(Singleshot{args->timeout_abs_ns, args->flags}) : std::nullopt;
}

int64_t op_set_singleshot(HypercallContext& context, Vcpu& vcpu) {
  const bool owner_first = context.mode64() || context.flavour().timer_owner_first;
  if (owner_first && &vcpu != &context.vcpu) return -XEN_EINVAL;
  const std::optional<Singleshot> args = read_singleshot(context);
  if (!args) return -XEN_EFAULT;
  if (&vcpu != &context.vcpu) return -XEN_EINVAL;
  // The flag asks for an error where the time is past. Guests made nothing of it but lost timers: it is ignored.
  const bool wants_error = context.flavour().late_singleshot_etime && (args->flags & VCPU_SSHOTTMR_future) != 0;
  if (wants_error && args->deadline_ns < context.platform().now().v) return -XEN_ETIME;
  set_singleshot(context, vcpu, args->deadline_ns);
  return 0;
}

int64_t op_stop_singleshot(HypercallContext& context, Vcpu& vcpu) {
  if (&vcpu != &context.vcpu) return -XEN_EINVAL;
  stop_singleshot(context, vcpu);
  return 0;
}

int64_t op_send_nmi(HypercallContext& context, Vcpu& vcpu) {
  if (context.arg(2) != 0) return -XEN_EINVAL;  // there is no argument, and it must say so
  context.platform().inject_nmi(vcpu.ref());
  kick(context, vcpu);
  return 0;
}

bool is_absent(const Flavour& flavour, uint32_t op) {
  if (op <= VCPUOP_get_runstate_info) return flavour.vcpu_lifecycle_enosys;
  return flavour.vcpu_nmi_enosys && (op == VCPUOP_send_nmi || op == VCPUOP_get_physid);
}

}  // namespace

int64_t do_vcpu_op(HypercallContext& context) {
  const uint32_t op = static_cast<uint32_t>(context.arg(0));
  const Flavour& flavour = context.flavour();
  Vcpu* vcpu = context.domain.vcpu(static_cast<uint32_t>(context.arg(1)));
  if (vcpu == nullptr) {
    const bool singleshot = op == VCPUOP_set_singleshot_timer || op == VCPUOP_stop_singleshot_timer;
    return singleshot && flavour.timer_bad_vcpu_einval && has_timer_port(context) ? -XEN_EINVAL : -XEN_ENOENT;
  }
  if (is_absent(flavour, op)) return -XEN_ENOSYS;

  switch (op) {
    case VCPUOP_initialise: return op_initialise(context, *vcpu);
    case VCPUOP_up: return op_up(context, *vcpu);
    case VCPUOP_down: return op_down(context, *vcpu);
    case VCPUOP_is_up: return vcpu->down.load() == 0 ? 1 : 0;
    case VCPUOP_get_runstate_info: return get_runstate_info(context, *vcpu);
    case VCPUOP_register_runstate_memory_area: return register_runstate_area(context, *vcpu);
    case VCPUOP_set_periodic_timer: return op_set_periodic(context, *vcpu);
    case VCPUOP_stop_periodic_timer: set_periodic(context, *vcpu, 0); return 0;
    case VCPUOP_set_singleshot_timer: return op_set_singleshot(context, *vcpu);
    case VCPUOP_stop_singleshot_timer: return op_stop_singleshot(context, *vcpu);
    case VCPUOP_register_vcpu_info: return register_vcpu_info(context, *vcpu);
    case VCPUOP_send_nmi: return op_send_nmi(context, *vcpu);
    case VCPUOP_get_physid: return -XEN_EINVAL;  // for pinned vCPUs of the host-kernel domain
    case VCPUOP_register_vcpu_time_memory_area: return register_time_area(context, *vcpu);
    case kRegisterRunstatePhysArea:
      return flavour.physical_areas ? register_runstate_place(context, *vcpu) : -XEN_ENOSYS;
    case kRegisterVcpuTimePhysArea: return flavour.physical_areas ? register_time_place(context, *vcpu) : -XEN_ENOSYS;
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
