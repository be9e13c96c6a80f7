// do_hvm_op: the upcall vector, and the rest of HVMOP_* but the parameters.
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"
#include "models/xen/hvm_params.h"
#include "models/xen/p2m.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

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
    case PageType::kForeign:
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

// Trait few_hvm_ops.
bool is_one_of_few(uint32_t op) {
  return op == HVMOP_set_param || op == HVMOP_get_param || op == HVMOP_set_evtchn_upcall_vector;
}

}  // namespace

int64_t do_hvm_op(HypercallContext& context) {
  const Gva at{context.arg(1)};
  if (context.flavour().few_hvm_ops && !is_one_of_few(static_cast<uint32_t>(context.arg(0)))) return -XEN_ENOSYS;
  switch (context.arg(0)) {
    case HVMOP_set_param: return set_hvm_param(context, at);
    case HVMOP_get_param: return get_hvm_param(context, at);
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
