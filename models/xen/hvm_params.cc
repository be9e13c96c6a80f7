#include "models/xen/hvm_params.h"

#include <optional>

#include "models/xen/abi/public.h"
#include "models/xen/callback_via.h"
#include "models/xen/clock.h"
#include "models/xen/guest_access.h"
#include "models/xen/lifecycle.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

// Parameters for toolstacks alone, which the guest's header does not name (hvm/params.h).
constexpr uint32_t kIoreqPfn = 5;
constexpr uint32_t kBufioreqPfn = 6;
constexpr uint32_t kViridian = 9;
constexpr uint32_t kTimerMode = 10;
constexpr uint32_t kAcpiSState = 14;
constexpr uint32_t kTripleFaultReason = 31;
constexpr uint32_t kIoreqServerPfn = 32;
constexpr uint32_t kIoreqServerPages = 33;
constexpr uint32_t kMcaCap = 38;

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

// Parameters that are set once, to a value that stays.
constexpr bool is_set_once(uint32_t index) {
  switch (index) {
    case kViridian:
    case kIoreqPfn:
    case kBufioreqPfn:
    case kIoreqServerPfn:
    case kIoreqServerPages:
    case HVM_PARAM_ALTP2M:
    case kMcaCap: return true;
    default: return false;
  }
}

// Does Xen take the value? A parameter without a rule takes any.
constexpr bool is_valid(uint32_t index, uint64_t value) {
  constexpr uint64_t kViridianFeatures = 0x1fff;  // HVMPV_feature_mask
  constexpr uint64_t kBaseFeatures = 1;           // HVMPV_base_freq, without which there are no others
  switch (index) {
    case HVM_PARAM_X87_FIP_WIDTH: return value == 0 || value == 4 || value == 8;
    case kTimerMode: return value <= 3;  // HVMPTM_one_missed_tick_pending
    case kViridian: return (value & ~kViridianFeatures) == 0 && (value & kBaseFeatures) != 0;
    case kAcpiSState: return value == 0 || value == 3;
    case kTripleFaultReason: return value <= SHUTDOWN_MAX;
    case kIoreqServerPages: return value != 0 && value <= 64;
    case HVM_PARAM_ALTP2M: return value <= 3;  // XEN_ALTP2M_limited
    case kMcaCap: return value <= 1;           // XEN_HVM_MCA_CAP_LMCE
    default: return true;
  }
}

// Stores a parameter that may be set: 0 or an errno.
int64_t store_param(HypercallContext& context, Domain& domain, uint32_t index, uint64_t value) {
  if (index == HVM_PARAM_CALLBACK_IRQ) {
    set_callback_via(context, domain, value);
    latch_abi(context, domain, context.mode64());
  }
  if (index == HVM_PARAM_ACPI_IOPORTS_LOCATION) {
    if (!domain.has_pirqs()) return -XEN_ENODEV;  // no PM timer (type=pvh)
    if (value > 1) return -XEN_EINVAL;
  }
  if (index == HVM_PARAM_VM86_TSS || index == HVM_PARAM_VM86_TSS_SIZED) {
    const std::optional<uint64_t> checked = tss_value(index, value);
    if (!checked && &domain == &context.domain) shut_down(context, domain, SHUTDOWN_crash);
    if (!checked) return -XEN_EINVAL;
    index = HVM_PARAM_VM86_TSS_SIZED;
    value = *checked;
  }
  const LockGuard guard(context, domain.lock);
  uint64_t& stored = domain.hvm_params[index];
  if (is_set_once(index) && stored != 0 && stored != value) return -XEN_EEXIST;
  if (!is_valid(index, value)) return -XEN_EINVAL;
  stored = value;
  return 0;
}

// Trait few_hvm_ops. false: the domain is another one's number.
bool is_self(const HypercallContext& context, const xen_hvm_param& op) {
  return op.domid == DOMID_SELF || op.domid == context.domain.id().v;
}

int64_t set_few(HypercallContext& context, const xen_hvm_param& op) {
  if (!is_self(context, op)) return -XEN_ESRCH;
  if (op.index != HVM_PARAM_CALLBACK_IRQ) return -XEN_ENOSYS;
  const CallbackVia via = decode_via(context.flavour(), op.value);
  if (via.type == CallbackVia::Type::kPciIntx && via.gsi == 0) return -XEN_EINVAL;
  return store_param(context, context.domain, op.index, op.value);
}

int64_t get_few(HypercallContext& context, xen_hvm_param& op) {
  if (!is_self(context, op)) return -XEN_ESRCH;
  const LockGuard guard(context, context.domain.lock);
  switch (op.index) {
    case HVM_PARAM_STORE_PFN:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_PFN:
    case HVM_PARAM_CONSOLE_EVTCHN: op.value = context.domain.hvm_params[op.index]; return 0;
    default: return -XEN_ENOSYS;
  }
}

int64_t get_any(HypercallContext& context, xen_hvm_param& op) {
  Domain* domain = nullptr;
  if (const int64_t error = find_domain(context, op, domain); error != 0) return error;
  if (is_deprecated(op.index)) return -XEN_EINVAL;
  if (!guest_may_get(op.index) && domain == &context.domain) return -XEN_EPERM;
  const LockGuard guard(context, domain->lock);
  op.value = op.index == HVM_PARAM_VM86_TSS ? static_cast<uint32_t>(domain->hvm_params[HVM_PARAM_VM86_TSS_SIZED])
                                            : domain->hvm_params[op.index];
  return 0;
}

}  // namespace

int64_t set_hvm_param(HypercallContext& context, Gva at) {
  xen_hvm_param op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  if (context.flavour().few_hvm_ops) return set_few(context, op);
  Domain* domain = nullptr;
  if (const int64_t error = find_domain(context, op, domain); error != 0) return error;
  if (is_deprecated(op.index)) return -XEN_EINVAL;
  if (!guest_may_set(op.index) && domain == &context.domain) return -XEN_EPERM;
  return store_param(context, *domain, op.index, op.value);
}

int64_t get_hvm_param(HypercallContext& context, Gva at) {
  xen_hvm_param op;
  if (!read_guest(context, at, op)) return -XEN_EFAULT;
  const int64_t result = context.flavour().few_hvm_ops ? get_few(context, op) : get_any(context, op);
  if (result != 0) return result;
  return write_guest(context, at, op) ? 0 : -XEN_EFAULT;
}

}  // namespace xensim::xen
