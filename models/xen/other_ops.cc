// Hypercalls that are small, or that an HVM guest is refused: vm_assist, physdev_op, multicall and the control
// interfaces.
#include <array>
#include <span>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"

namespace xensim::xen {
namespace {

// One entry of a multicall. 0, or -EFAULT where it cannot be read or its result not written.
template <class Raw>
int64_t call_entry(HypercallContext& context, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  HypercallRegs regs{.mode64 = context.mode64(), .cpl = context.regs.cpl, .nr = raw.op};
  regs.interrupts_enabled = context.regs.interrupts_enabled;
  for (size_t i = 0; i < 5; ++i) regs.args[i] = raw.args[i];
  int64_t result = -XEN_EINVAL;  // a multicall in a multicall
  if (regs.nr != __HYPERVISOR_multicall) {
    HypercallContext inner(context.hv, context.domain, context.vcpu, regs);
    result = dispatch_hypercall(inner);
  }
  raw.result = static_cast<decltype(raw.result)>(result);
  return write_guest_member(context, at, raw, raw.result) ? 0 : -XEN_EFAULT;
}

// Control calls copy in an argument that starts with the version of their interface, and check it before anything else.
constexpr unsigned kControlArgument = 4;

}  // namespace

int64_t do_multicall(HypercallContext& context) {
  if (context.flavour().few_hypercalls) return -XEN_ENOSYS;
  const auto count = static_cast<uint32_t>(context.arg(1));
  const uint64_t bytes = context.mode64() ? sizeof(multicall_entry) : sizeof(abi32::multicall_entry);
  for (uint32_t i = 0; i < count; ++i) {
    const Gva at{context.arg(0) + i * bytes};
    const int64_t result =
        context.mode64() ? call_entry<multicall_entry>(context, at) : call_entry<abi32::multicall_entry>(context, at);
    if (result != 0) return result;
  }
  return 0;
}

int64_t do_vm_assist(HypercallContext& context) {
  if (context.flavour().few_hypercalls) return -XEN_ENOSYS;
  constexpr uint64_t kValid = uint64_t{1} << VMASST_TYPE_runstate_update_flag;
  const auto type = static_cast<uint32_t>(context.arg(1));
  if (type >= 64 || (kValid >> type & 1) == 0) return -XEN_EINVAL;
  switch (static_cast<uint32_t>(context.arg(0))) {
    case VMASST_CMD_enable: context.domain.vm_assist.fetch_or(uint64_t{1} << type); return 0;
    case VMASST_CMD_disable: context.domain.vm_assist.fetch_and(~(uint64_t{1} << type)); return 0;
    default: return -XEN_ENOSYS;
  }
}

// Every sub-op is refused to a guest without physical interrupts of its own (type=pvh).
int64_t do_physdev_op(HypercallContext& /*context*/) { return -XEN_ENOSYS; }

// platform_op, sysctl, domctl: interfaces whose version, the first word, changes with each release; a guest that
// guesses it right is refused all the same. -EACCES: another version.
int64_t do_control_op(HypercallContext& context) {
  std::array<std::byte, kControlArgument> argument;
  if (copy_from_guest(context, context.vcpu, argument, Gva{context.arg(0)}) != 0) return -XEN_EFAULT;
  return -XEN_EACCES;
}

int64_t do_mmuext_op(HypercallContext& /*context*/) { return -XEN_EINVAL; }

int64_t do_xsm_op(HypercallContext& /*context*/) { return -XEN_ENOSYS; }

int64_t do_argo_op(HypercallContext& /*context*/) { return -XEN_ENOSYS; }

int64_t do_xenpmu_op(HypercallContext& /*context*/) { return -XEN_EOPNOTSUPP; }

// The device model's interface, of which a guest gets no further than the checks of its arguments.
int64_t do_dm_op(HypercallContext& context) {
  constexpr uint32_t kMaxBuffers = 2;
  const DomId domid{static_cast<uint16_t>(context.arg(0))};
  const auto buffers = static_cast<uint32_t>(context.arg(1));
  if (buffers == 0) return -XEN_ENODATA;
  if (buffers > kMaxBuffers) return -XEN_E2BIG;
  std::array<std::byte, kMaxBuffers * 16> list;  // address and size of each
  const size_t bytes = buffers * (context.mode64() ? 16u : 8u);
  if (copy_from_guest(context, context.vcpu, std::span(list).first(bytes), Gva{context.arg(2)}) != 0) {
    return -XEN_EFAULT;
  }
  const Domain* const domain = context.domain_by_any_id(domid);
  if (domain == nullptr) return domid.v == 0 ? -XEN_EINVAL : -XEN_ESRCH;  // domain 0 is no HVM guest
  return -XEN_EPERM;
}

int64_t do_hypfs_op(HypercallContext& /*context*/) { return -XEN_EPERM; }

// How Xen continues a long paging domctl; of no use to anybody else (measured).
int64_t do_paging_domctl_cont(HypercallContext& context) {
  std::array<std::byte, kControlArgument> argument;
  if (copy_from_guest(context, context.vcpu, argument, Gva{context.arg(0)}) != 0) return -XEN_EFAULT;
  return -XEN_EOPNOTSUPP;
}

}  // namespace xensim::xen
