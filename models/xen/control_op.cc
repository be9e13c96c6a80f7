// The toolstack's interfaces, which a guest is refused: platform_op, sysctl, domctl, mmuext_op, dm_op and others. How
// far it gets before that is what Xen 4.17.7 answered.
#include <array>
#include <cstring>
#include <span>

#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"

namespace xensim::xen {
namespace {

// The head of every control call: what to do, the interface's version, and for domctl the domain.
struct ControlHead {
  uint32_t cmd;
  uint32_t version;
  uint16_t domid;
};
constexpr uint32_t kPlatformVersion = 0x03000001;
constexpr uint32_t kControlVersion = 0x15;  // sysctl's and domctl's of Xen 4.17
constexpr unsigned kPlatformBytes = 136, kSysctlBytes = 136, kDomctlBytes = 144;

constexpr uint32_t kCreateDomain = 1;
constexpr uint32_t kGetDomainInfo = 5;
constexpr uint32_t kShadowOp = 10;

bool read_control(HypercallContext& context, unsigned bytes, ControlHead& head) {
  std::array<std::byte, kDomctlBytes> argument;
  const std::span<std::byte> whole = std::span(argument).first(bytes);
  if (copy_from_guest(context, context.vcpu, whole, Gva{context.arg(0)}) != 0) return false;
  std::memcpy(&head, whole.data(), sizeof(head));
  return true;
}

// What the caller may do once the domain is found: nothing here is its own, and none of it is modelled.
int64_t refuse(const HypercallContext& context) { return context.domain.privileged() ? -XEN_ENOSYS : -XEN_EPERM; }

// A domain by its number alone (DOMID_SELF is none).
int64_t refuse_on(HypercallContext& context, uint16_t domid) {
  if (domid != 0 && context.hv.find_domain(DomId{domid}) == nullptr) return -XEN_ESRCH;
  return refuse(context);
}

int64_t domctl(HypercallContext& context) {
  ControlHead head;
  if (!read_control(context, kDomctlBytes, head)) return -XEN_EFAULT;
  if (head.version != kControlVersion) return -XEN_EACCES;
  if (head.cmd == kCreateDomain) return refuse(context);
  if (head.cmd == kGetDomainInfo && head.domid >= DOMID_FIRST_RESERVED) return -XEN_EINVAL;
  return refuse_on(context, head.domid);
}

}  // namespace

int64_t do_control_op(HypercallContext& context) {
  if (context.regs.nr == __HYPERVISOR_domctl) return domctl(context);
  const bool platform = context.regs.nr == __HYPERVISOR_platform_op;
  ControlHead head;
  if (!read_control(context, platform ? kPlatformBytes : kSysctlBytes, head)) return -XEN_EFAULT;
  if (head.version != (platform ? kPlatformVersion : kControlVersion)) return -XEN_EACCES;
  return refuse(context);
}

// How Xen continues a long shadow_op; of no use to anybody else.
int64_t do_paging_domctl_cont(HypercallContext& context) {
  ControlHead head;
  if (!read_control(context, kDomctlBytes, head)) return -XEN_EFAULT;
  if (head.version != kControlVersion || head.cmd != kShadowOp) return -XEN_EOPNOTSUPP;
  return refuse_on(context, head.domid);
}

// For domains whose page tables Xen checks.
int64_t do_mmuext_op(HypercallContext& context) {
  constexpr uint32_t kPreempted = 0x80000000;  // MMU_UPDATE_PREEMPTED
  const auto count = static_cast<uint32_t>(context.arg(1));
  const DomId domid{static_cast<uint16_t>(context.arg(3))};
  if (count == kPreempted && context.arg(0) == 0) return static_cast<int32_t>(context.arg(3));
  if (!context.mode64() && (count & ~kPreempted) == 0) return 0;
  if (domid.v == DOMID_SELF) return -XEN_EINVAL;
  if (domid.v == DOMID_IO || domid.v == DOMID_XEN || domid.v == 0) return refuse(context);
  // By its own number a domain is no other one.
  const bool other = domid != context.domain.id() && context.hv.find_domain(domid) != nullptr;
  return other ? -XEN_EINVAL : -XEN_ESRCH;
}

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
  const Domain* const domain = context.hv.find_domain(domid);
  if (domain == nullptr) return domid.v == 0 ? -XEN_EINVAL : -XEN_ESRCH;  // domain 0 is no HVM guest
  return domain == &context.domain ? -XEN_EPERM : refuse(context);
}

int64_t do_hypfs_op(HypercallContext& context) { return refuse(context); }

}  // namespace xensim::xen
