// do_physdev_op: PIRQs for emulated interrupts, as a type=hvm domain has them in Xen (and none of type=pvh), and as
// QEMU gives them to every guest (trait pirqs_for_all).
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"
#include "models/xen/pirq.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

constexpr int32_t kGuestGsis = 48;   // NR_HVM_DOMU_IRQS: 40 of the IO-APIC and 8 spare
constexpr int32_t kIoApicPins = 24;  // of QEMU's

// The head of struct physdev_map_pirq, which has all that an emulated interrupt needs; written back whole.
struct MapPirq {
  uint16_t domid;
  uint16_t padding;
  int32_t type;
  int32_t index;
  int32_t pirq;
  int32_t bus;
  int32_t devfn;
  int32_t entry_nr;
};

bool is_self(const HypercallContext& context, uint16_t domid) {
  return domid == DOMID_SELF || domid == context.domain.id().v;
}

// A domain that is not DOMID_SELF: Xen lets device models map for others.
int64_t refuse_other(HypercallContext& context, uint16_t domid) {
  if (domid != 0 && context.domain_by_any_id(DomId{domid}) == nullptr) return -XEN_ESRCH;
  return context.domain.privileged() ? -XEN_EINVAL : -XEN_EPERM;
}

int64_t map_in_xen(HypercallContext& context, MapPirq& op) {
  if (op.domid != DOMID_SELF) return refuse_other(context, op.domid);
  // A GSI callback and a GSI as an event would call each other.
  if (!has_vector_callback(context.domain)) return -XEN_EINVAL;
  if (op.type != MAP_PIRQ_TYPE_GSI || op.index < 0 || op.index >= kGuestGsis) return -XEN_EINVAL;
  const LockGuard guard(context, context.domain.lock);
  PirqTable& pirqs = context.domain.pirqs;
  const auto gsi = static_cast<uint32_t>(op.index);
  if (op.pirq < 0) {
    const std::optional<uint32_t> found = pirqs.find_free(true);
    op.pirq = found ? static_cast<int32_t>(*found) : -XEN_ENOSPC;
    if (found) pirqs.note(*found);
  }
  if (!pirqs.exists(op.pirq)) return -XEN_EINVAL;
  const auto pirq = static_cast<uint32_t>(op.pirq);
  // What is mapped otherwise stays as it is, and the call succeeds.
  if (pirqs.gsi_of(pirq).value_or(gsi) != gsi || pirqs.pirq_of(gsi).value_or(pirq) != pirq) return 0;
  pirqs.map(pirq, gsi);
  return 0;
}

int64_t map_in_qemu(HypercallContext& context, MapPirq& op) {
  if (!is_self(context, op.domid)) return -XEN_EPERM;
  if (op.type != MAP_PIRQ_TYPE_GSI || op.index < 0 || op.index >= kIoApicPins) return -XEN_EINVAL;
  const LockGuard guard(context, context.domain.lock);
  PirqTable& pirqs = context.domain.pirqs;
  if (op.pirq < 0) {
    const std::optional<uint32_t> found = pirqs.find_free(true);
    if (!found) return -XEN_ENOSPC;
    op.pirq = static_cast<int32_t>(*found);
  }
  if (!pirqs.exists(op.pirq)) return -XEN_EINVAL;
  if (pirqs.gsi_of(op.pirq)) return -XEN_EBUSY;
  pirqs.map(static_cast<uint32_t>(op.pirq), static_cast<uint32_t>(op.index));
  return 0;
}

int64_t map_pirq(HypercallContext& context, Gva at) {
  MapPirq op;
  if (!read_guest(context, at, op)) {
    const bool stale = context.flavour().map_pirq_fault_stale && !context.mode64();
    return stale ? context.vcpu.outside_answer : -XEN_EFAULT;
  }
  const bool qemu = context.flavour().pirqs_for_all;
  const int64_t result = qemu ? map_in_qemu(context, op) : map_in_xen(context, op);
  if (qemu && result != 0) return result;
  return write_guest(context, at, op) ? result : -XEN_EFAULT;
}

int64_t unmap_in_qemu(HypercallContext& context, const physdev_unmap_pirq& op) {
  if (!is_self(context, op.domid)) return -XEN_EPERM;
  const LockGuard guard(context, context.domain.lock);
  PirqTable& pirqs = context.domain.pirqs;
  if (!pirqs.exists(op.pirq)) return -XEN_EINVAL;
  if (!pirqs.known(op.pirq)) return -XEN_ENOENT;
  if (!pirqs.gsi_of(op.pirq)) return -XEN_EINVAL;
  pirqs.forget(static_cast<uint32_t>(op.pirq));
  return 0;
}

int64_t unmap_pirq(HypercallContext& context, Gva at) {
  physdev_unmap_pirq op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  if (context.flavour().pirqs_for_all) {
    const int64_t result = unmap_in_qemu(context, op);
    return result != 0 || write_guest(context, at, op) ? result : -XEN_EFAULT;
  }
  if (op.domid != DOMID_SELF) return refuse_other(context, op.domid);
  const LockGuard guard(context, context.domain.lock);
  PirqTable& pirqs = context.domain.pirqs;
  if (pirqs.gsi_of(op.pirq)) pirqs.unmap(static_cast<uint32_t>(op.pirq));
  return 0;  // one that is not mapped is no mistake
}

// 0 where an EOI of the PIRQ, or a question after it, has an answer.
int64_t check_pirq(HypercallContext& context, uint32_t pirq, bool must_be_mapped) {
  const LockGuard guard(context, context.domain.lock);
  const bool qemu = context.flavour().pirqs_for_all;
  if (!context.domain.pirqs.known(pirq)) return qemu ? -XEN_ENOENT : -XEN_EINVAL;
  return (qemu || must_be_mapped) && !context.domain.pirqs.gsi_of(pirq) ? -XEN_EINVAL : 0;
}

int64_t eoi(HypercallContext& context, Gva at) {
  physdev_eoi op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  return check_pirq(context, op.irq, false);
}

int64_t irq_status_query(HypercallContext& context, Gva at) {
  physdev_irq_status_query op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  if (const int64_t error = check_pirq(context, op.irq, true); error != 0) return error;
  op.flags = XENIRQSTAT_needs_eoi;
  return write_guest(context, at, op) ? 0 : -XEN_EFAULT;
}

int64_t get_free_pirq(HypercallContext& context, Gva at) {
  physdev_get_free_pirq op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  {
    const LockGuard guard(context, context.domain.lock);
    const std::optional<uint32_t> found = context.domain.pirqs.find_free(op.type == MAP_PIRQ_TYPE_GSI);
    if (!found) return -XEN_ENOSPC;
    context.domain.pirqs.keep(*found);
    op.pirq = *found;
  }
  return write_guest(context, at, op) ? 0 : -XEN_EFAULT;
}

}  // namespace

int64_t do_physdev_op(HypercallContext& context) {
  if (!context.domain.has_pirqs()) return -XEN_ENOSYS;
  const Gva at{context.arg(1)};
  switch (static_cast<uint32_t>(context.arg(0))) {
    case PHYSDEVOP_map_pirq: return map_pirq(context, at);
    case PHYSDEVOP_unmap_pirq: return unmap_pirq(context, at);
    case PHYSDEVOP_eoi: return eoi(context, at);
    case PHYSDEVOP_irq_status_query: return irq_status_query(context, at);
    case PHYSDEVOP_get_free_pirq: return get_free_pirq(context, at);
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
