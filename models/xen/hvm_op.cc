// do_hvm_op: HVM parameters, the upcall vector, and the rest of HVMOP_*.
#include <optional>

#include "models/xen/abi/public.h"
#include "models/xen/clock.h"
#include "models/xen/guest_access.h"
#include "models/xen/lifecycle.h"
#include "models/xen/p2m.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

// Parameters that params.h names for toolstacks alone, all deprecated.
constexpr bool is_deprecated(uint32_t index) {
  switch (index) {
    case 4:   // PAE_ENABLED
    case 13:  // DM_DOMAIN
    case 20:  // MEMORY_EVENT_CR0, and CR3, CR4, INT3
    case 21:
    case 22:
    case 23:
    case 24:  // NESTEDHVM
    case 25:  // MEMORY_EVENT_SINGLE_STEP
    case 26:  // BUFIOREQ_EVTCHN
    case 30:  // MEMORY_EVENT_MSR
      return true;
    default: return false;
  }
}

constexpr bool guest_may_set(uint32_t index) {
  switch (index) {
    case HVM_PARAM_CALLBACK_IRQ:
    case HVM_PARAM_VM86_TSS:
    case HVM_PARAM_VM86_TSS_SIZED:
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
    case HVM_PARAM_VM_GENERATION_ID_ADDR:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_EVTCHN:
    case HVM_PARAM_X87_FIP_WIDTH: return true;
    default: return false;
  }
}

constexpr bool guest_may_get(uint32_t index) {
  return guest_may_set(index) || index == HVM_PARAM_STORE_PFN || index == HVM_PARAM_CONSOLE_PFN ||
         index == HVM_PARAM_ALTP2M;
}

// The domain a parameter is asked of. 0 with `domain`, or an errno; `setting` a parameter, domain 0, which is no HVM
// guest, says so before it says that it is not ours.
int64_t find_domain(HypercallContext& context, const xen_hvm_param& op, Domain*& domain) {
  if (op.index >= HVM_NR_PARAMS) return -XEN_EINVAL;
  domain = context.domain_by_any_id(DomId{op.domid});
  if (domain == nullptr) return op.domid == 0 ? -XEN_EINVAL : -XEN_ESRCH;
  return domain == &context.domain || context.domain.privileged() ? 0 : -XEN_EPERM;
}

// The task state segment for virtual-8086 mode: address in the low half, size in bytes in the high one.
constexpr uint64_t kMinTssBytes = 104;                           // SDM vol. 3, 8.2.1: a 32-bit TSS
constexpr uint64_t kMaxTssBytes = kMinTssBytes + 32 + 8192 + 1;  // with both bitmaps and a padding byte

// The value to store for HVM_PARAM_VM86_TSS_SIZED; nullopt: it does not fit, for which Xen takes the domain down.
std::optional<uint64_t> tss_value(uint32_t index, uint64_t value) {
  if (index == HVM_PARAM_VM86_TSS) {
    if (value != static_cast<uint32_t>(value)) return std::nullopt;
    return value == 0 ? 0 : value | uint64_t{128} << 32;  // old loaders mean 128 bytes
  }
  if (value >> 32 < kMinTssBytes) return std::nullopt;
  return value >> 32 > kMaxTssBytes ? static_cast<uint32_t>(value) | kMaxTssBytes << 32 : value;
}

int64_t set_param(HypercallContext& context, Gva at) {
  xen_hvm_param op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  if (const int64_t error = find_domain(context, op, domain); error != 0) return error;
  if (is_deprecated(op.index)) return -XEN_EINVAL;
  if (!guest_may_set(op.index) && domain == &context.domain) return -XEN_EPERM;

  uint32_t index = op.index;
  uint64_t value = op.value;
  switch (op.index) {
    case HVM_PARAM_CALLBACK_IRQ:
      set_callback_via(context, *domain, value);
      latch_abi(context, *domain, context.mode64());
      break;
    case HVM_PARAM_ACPI_IOPORTS_LOCATION: return -XEN_ENODEV;  // no PM timer (type=pvh)
    case HVM_PARAM_X87_FIP_WIDTH:
      if (value != 0 && value != 4 && value != 8) return -XEN_EINVAL;
      break;
    case HVM_PARAM_VM86_TSS:
    case HVM_PARAM_VM86_TSS_SIZED: {
      const std::optional<uint64_t> checked = tss_value(op.index, value);
      if (!checked) {
        shut_down(context, *domain, SHUTDOWN_crash);
        return -XEN_EINVAL;
      }
      index = HVM_PARAM_VM86_TSS_SIZED;
      value = *checked;
      break;
    }
    default: break;
  }
  const LockGuard guard(context, domain->lock);
  domain->hvm_params[index] = value;
  return 0;
}

int64_t get_param(HypercallContext& context, Gva at) {
  xen_hvm_param op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  if (const int64_t error = find_domain(context, op, domain); error != 0) return error;
  if (is_deprecated(op.index)) return -XEN_EINVAL;
  if (!guest_may_get(op.index) && domain == &context.domain) return -XEN_EPERM;
  {
    const LockGuard guard(context, domain->lock);
    op.value = op.index == HVM_PARAM_VM86_TSS ? static_cast<uint32_t>(domain->hvm_params[HVM_PARAM_VM86_TSS_SIZED])
                                              : domain->hvm_params[op.index];
  }
  return write_guest(context, at, op) ? 0 : -XEN_EFAULT;
}

int64_t set_evtchn_upcall_vector(HypercallContext& context, Gva at) {
  xen_hvm_evtchn_upcall_vector op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  return set_upcall_vector(context, context.domain, op.vcpu, op.vector);
}

int64_t get_mem_type(HypercallContext& context, Gva at) {
  xen_hvm_get_mem_type op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  Domain* const domain = context.domain_by_any_id(DomId{op.domid});
  if (domain == nullptr) return op.domid == 0 ? -XEN_EPERM : -XEN_ESRCH;
  if (domain != &context.domain && !context.domain.privileged()) return -XEN_EPERM;
  switch (domain->p2m().lookup(Gfn{op.pfn}).type) {
    case PageType::kRam:
    case PageType::kGrantRw: op.mem_type = HVMMEM_ram_rw; break;
    case PageType::kGrantRo: op.mem_type = HVMMEM_ram_ro; break;
    case PageType::kHole: op.mem_type = HVMMEM_mmio_dm; break;
  }
  return write_guest(context, at, op) ? 0 : -XEN_EFAULT;
}

// Of use with shadow paging alone.
int64_t pagetable_dying(HypercallContext& context, Gva at) {
  xen_hvm_pagetable_dying op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  const Domain* const domain = context.domain_by_any_id(DomId{op.domid});
  if (domain == nullptr && op.domid != 0) return -XEN_ESRCH;
  return domain == &context.domain ? -XEN_EINVAL : -XEN_EOPNOTSUPP;
}

int64_t get_time(HypercallContext& context, Gva at) {
  const xen_hvm_get_time op{.now = context.platform().now().v};
  return write_guest(context, at, op) ? 0 : -XEN_EFAULT;
}

// A record for the hypervisor's own trace buffer, which nobody reads.
int64_t xentrace(HypercallContext& context, Gva at) {
  constexpr uint16_t kEventMask = 0xfff;  // trace.h, below TRC_SUBCLS_SHIFT
  xen_hvm_xentrace op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  return op.extra_bytes > sizeof(op.extra) || (op.event & ~kEventMask) != 0 ? -XEN_EINVAL : 0;
}

}  // namespace

int64_t do_hvm_op(HypercallContext& context) {
  const Gva at{context.arg(1)};
  switch (context.arg(0)) {
    case HVMOP_set_param: return set_param(context, at);
    case HVMOP_get_param: return get_param(context, at);
    case HVMOP_flush_tlbs: return at.v == 0 ? 0 : -XEN_EINVAL;
    case HVMOP_pagetable_dying: return pagetable_dying(context, at);
    case HVMOP_get_time: return get_time(context, at);
    case HVMOP_xentrace: return xentrace(context, at);
    case HVMOP_get_mem_type: return get_mem_type(context, at);
    case HVMOP_set_evtchn_upcall_vector: return set_evtchn_upcall_vector(context, at);
    case HVMOP_guest_request_vm_event: return at.v == 0 ? 0 : -XEN_EINVAL;
    case HVMOP_altp2m: return -XEN_EOPNOTSUPP;
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
