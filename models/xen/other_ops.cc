// Hypercalls that are small: vm_assist and multicall.
#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/continuation.h"
#include "models/xen/guest_access.h"

namespace xensim::xen {
namespace {

// One entry of a multicall. 0, or -EFAULT where it cannot be read or its result not written. `preempted`: it stands in
// the list as it is to go on.
template <class Raw>
int64_t call_entry(HypercallContext& context, Gva at, bool& preempted) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  HypercallRegs regs{.mode64 = context.mode64(), .cpl = context.regs.cpl, .nr = raw.op};
  regs.interrupts_enabled = context.regs.interrupts_enabled;
  for (size_t i = 0; i < 5; ++i) regs.args[i] = raw.args[i];
  int64_t result = -XEN_EINVAL;  // a multicall in a multicall
  if (regs.nr != __HYPERVISOR_multicall) {
    HypercallContext inner(context.hv, context.domain, context.vcpu, regs);
    result = dispatch_hypercall(inner);
    if (inner.continuation) {
      preempted = true;
      raw.op = static_cast<decltype(raw.op)>(inner.continuation->nr);
      for (size_t i = 0; i < 5; ++i) raw.args[i] = static_cast<decltype(raw.op)>(inner.continuation->args[i]);
    }
  }
  raw.result = static_cast<decltype(raw.result)>(result);
  const bool ok = preempted ? write_guest(context, at, raw) : write_guest_member(context, at, raw, raw.result);
  return ok ? 0 : -XEN_EFAULT;
}

}  // namespace

int64_t do_multicall(HypercallContext& context) {
  const auto count = static_cast<uint32_t>(context.arg(1));
  const uint64_t bytes = context.mode64() ? sizeof(multicall_entry) : sizeof(abi32::multicall_entry);
  bool preempted = false;
  for (uint32_t i = 0; i < count; ++i) {
    const Gva at{context.arg(0) + i * bytes};
    preempted = i != 0 && should_preempt(context);
    if (!preempted) {
      const int64_t result = context.mode64() ? call_entry<multicall_entry>(context, at, preempted)
                                              : call_entry<abi32::multicall_entry>(context, at, preempted);
      if (result != 0) return result;
    }
    if (preempted) return continue_later(context, __HYPERVISOR_multicall, {at.v, count - i});
  }
  return 0;
}

int64_t do_vm_assist(HypercallContext& context) {
  constexpr uint64_t kValid = uint64_t{1} << VMASST_TYPE_runstate_update_flag;
  const auto type = static_cast<uint32_t>(context.arg(1));
  if (type >= 64 || (kValid >> type & 1) == 0) return -XEN_EINVAL;
  switch (static_cast<uint32_t>(context.arg(0))) {
    case VMASST_CMD_enable: context.domain.vm_assist.fetch_or(uint64_t{1} << type); return 0;
    case VMASST_CMD_disable: context.domain.vm_assist.fetch_and(~(uint64_t{1} << type)); return 0;
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
