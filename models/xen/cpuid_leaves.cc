#include "models/xen/cpuid_leaves.h"

#include "models/xen/abi/public.h"
#include "models/xen/hypercall_page.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kBase = 0x40000000;
constexpr uint32_t kLastReserved = kBase + 0xff;
constexpr uint32_t kShortMaxLeaf = 4;  // trait short_cpuid_leaves
constexpr uint32_t kVersion = 4u << 16 | 17;
constexpr uint32_t kLaterVersion = 4u << 16 | 20;  // trait version_4_20
constexpr uint32_t kTscIsSafe = 1u << 1;           // leaf 3, EAX: the host's TSC can be relied on
constexpr uint32_t kHasRdtscp = 1u << 2;

// The guest's TSC frequency in kHz, from the scale of its clock: ns = (ticks << shift) * mul >> 32.
uint32_t tsc_khz(const ClockSample& clock) {
  if (clock.tsc_to_system_mul == 0) return 0;
  const uint64_t khz = (uint64_t{1000000} << 32) / clock.tsc_to_system_mul;
  return static_cast<uint32_t>(clock.tsc_shift < 0 ? khz << -clock.tsc_shift : khz >> clock.tsc_shift);
}

XenCpuidResult time_leaf(Entry& entry, Vcpu& vcpu, uint32_t subleaf) {
  const ClockSample clock = entry.platform().clock(vcpu.domain().id());
  if (entry.flavour().short_cpuid_leaves) {
    return {
        .eax = tsc_khz(clock), .ecx = clock.tsc_to_system_mul, .edx = static_cast<uint32_t>(int32_t{clock.tsc_shift})};
  }
  switch (subleaf) {
    case 0: return {.eax = kTscIsSafe | kHasRdtscp, .ebx = 0, .ecx = tsc_khz(clock), .edx = 1};
    case 1: return {.ecx = clock.tsc_to_system_mul, .edx = static_cast<uint32_t>(int32_t{clock.tsc_shift})};
    case 2: return {.eax = tsc_khz(clock)};
    default: return {};
  }
}

XenCpuidResult hvm_leaf(Entry& entry, Vcpu& vcpu, uint32_t subleaf) {
  if (entry.flavour().short_cpuid_leaves) {
    return {.eax = XEN_HVM_CPUID_APIC_ACCESS_VIRT | XEN_HVM_CPUID_X2APIC_VIRT | XEN_HVM_CPUID_IOMMU_MAPPINGS |
                   XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_UPCALL_VECTOR,
            .ebx = vcpu.id().v};
  }
  if (subleaf != 0) return {};
  return {.eax = XEN_HVM_CPUID_IOMMU_MAPPINGS | XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT |
                 XEN_HVM_CPUID_UPCALL_VECTOR,
          .ebx = vcpu.id().v,
          .ecx = vcpu.domain().id().v};
}

}  // namespace

std::optional<XenCpuidResult> xen_cpuid(Entry& entry, Vcpu& vcpu, uint32_t leaf, uint32_t subleaf) {
  if (leaf < kBase || leaf > kLastReserved) return std::nullopt;
  switch (leaf - kBase) {
    case 0:
      return XenCpuidResult{
          .eax = kBase + (entry.flavour().short_cpuid_leaves ? kShortMaxLeaf : XEN_CPUID_MAX_NUM_LEAVES),
          .ebx = XEN_CPUID_SIGNATURE_EBX,
          .ecx = XEN_CPUID_SIGNATURE_ECX,
          .edx = XEN_CPUID_SIGNATURE_EDX};
    case 1: return XenCpuidResult{.eax = entry.flavour().version_4_20 ? kLaterVersion : kVersion};
    case 2: return XenCpuidResult{.eax = 1, .ebx = kHypercallMsr};
    case 3: return time_leaf(entry, vcpu, subleaf);
    case 4: return hvm_leaf(entry, vcpu, subleaf);
    default: return XenCpuidResult{};
  }
}

}  // namespace xensim::xen
