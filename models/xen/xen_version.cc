// do_xen_version: who the hypervisor says it is.
#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"

namespace xensim::xen {
namespace {

constexpr int64_t kVersion = 4 << 16 | 17;
constexpr std::string_view kExtraVersion = ".7";
constexpr int64_t kLaterVersion = 4 << 16 | 20;  // trait version_4_20
constexpr std::string_view kLaterExtraVersion = ".5-pre";
constexpr std::string_view kCapabilities = "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
constexpr std::string_view kDenied = "<denied>";  // what the command line is to an unprivileged domain
// Where the hypervisor would lie in a PV guest's address space; in a 32-bit one's it depends on the guest, and an HVM
// guest has no such place.
constexpr uint64_t kVirtStart64 = 0xffff800000000000;
constexpr uint32_t kVirtStart32 = 0;

constexpr uint32_t kFeatures = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
                               1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock |
                               1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_not_direct_mapped;
// features.h of later interfaces: traits physical_areas, and version_4_20 (of device models: all writes of MSI-X).
constexpr uint32_t kPhysicalAreas = 1u << 18 | 1u << 19;
constexpr uint32_t kMsixWrites = 1u << 20;
// Trait pv_style_features.
constexpr uint32_t kPvStyleFeatures = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_writable_descriptor_tables |
                                      1u << XENFEAT_auto_translated_physmap | 1u << XENFEAT_hvm_callback_vector |
                                      1u << XENFEAT_hvm_safe_pvclock | 1u << XENFEAT_hvm_pirqs;

// Copies out a text field of `Bytes` bytes, filled up with zeroes.
template <size_t Bytes>
int64_t write_text(HypercallContext& context, Gva to, std::string_view text) {
  std::array<char, Bytes> field{};
  std::copy_n(text.begin(), std::min(text.size(), Bytes - 1), field.begin());
  return write_guest(context, to, field) ? 0 : -XEN_EFAULT;
}

int64_t compile_info(HypercallContext& context, Gva to) {
  xen_compile_info info{};
  constexpr std::string_view kCompiler = "xensim";
  std::copy(kCompiler.begin(), kCompiler.end(), info.compiler);
  return write_guest(context, to, info) ? 0 : -XEN_EFAULT;
}

int64_t platform_parameters(HypercallContext& context, Gva to) {
  const bool ok = context.mode64() ? write_guest(context, to, kVirtStart64) : write_guest(context, to, kVirtStart32);
  return ok ? 0 : -XEN_EFAULT;
}

int64_t get_features(HypercallContext& context, Gva at) {
  xen_feature_info info;
  if (!read_guest(context, at, info)) return -XEN_EFAULT;
  if (info.submap_idx != 0 && !context.flavour().features_any_submap) return -XEN_EINVAL;
  uint32_t features = context.flavour().pv_style_features ? kPvStyleFeatures : kFeatures;
  if (context.flavour().physical_areas) features |= kPhysicalAreas;
  if (context.flavour().version_4_20) features |= kMsixWrites;
  info.submap = info.submap_idx == 0 ? features : 0;
  if (info.submap_idx == 0 && context.domain.has_pirqs()) info.submap |= 1u << XENFEAT_hvm_pirqs;
  if (info.submap_idx == 0 && context.domain.privileged()) info.submap |= 1u << XENFEAT_dom0;
  return write_guest(context, at, info) ? 0 : -XEN_EFAULT;
}

// Trait long_version_calls: strings of any length, XENVER 11 to 14 of later interfaces.
enum LongCall : uint32_t { kExtraVersion2 = 11, kCapabilities2 = 12, kChangeset2 = 13, kCommandline2 = 14 };

std::string_view extra_version(const HypercallContext& context) {
  return context.flavour().version_4_20 ? kLaterExtraVersion : kExtraVersion;
}

// The guest says in the first 4 bytes how many may follow them; a null pointer asks how many there are.
int64_t write_long_text(HypercallContext& context, Gva at, std::string_view text) {
  if (at.v == 0) return static_cast<int64_t>(text.size());
  uint32_t room = 0;
  if (!read_guest(context, at, room)) return -XEN_EFAULT;
  if (text.size() > room) return -XEN_ENOBUFS;
  const auto bytes = std::as_bytes(std::span(text));
  if (copy_to_guest(context, context.vcpu, Gva{at.v + sizeof(room)}, bytes) != 0) return -XEN_EFAULT;
  return static_cast<int64_t>(text.size());
}

int64_t long_call(HypercallContext& context, uint32_t op, Gva at) {
  switch (op) {
    case kExtraVersion2: return write_long_text(context, at, extra_version(context));
    case kCapabilities2: return write_long_text(context, at, kCapabilities);
    case kChangeset2: return write_long_text(context, at, "");
    case kCommandline2: return context.domain.privileged() ? write_long_text(context, at, "") : -XEN_EPERM;
    default: return -XEN_ENOSYS;
  }
}

// The domain's UUID: made from its number, for there is no toolstack that draws one.
int64_t guest_handle(HypercallContext& context, Gva to) {
  std::array<uint8_t, 16> handle{};
  handle[14] = static_cast<uint8_t>(context.domain.id().v >> 8);
  handle[15] = static_cast<uint8_t>(context.domain.id().v);
  return write_guest(context, to, handle) ? 0 : -XEN_EFAULT;
}

int64_t commandline(HypercallContext& context, Gva to) {
  if (context.domain.privileged()) return write_text<sizeof(xen_commandline_t)>(context, to, "");
  return write_text<kDenied.size() + 1>(context, to, kDenied);
}

}  // namespace

int64_t do_xen_version(HypercallContext& context) {
  const Gva at{context.arg(1)};
  const auto op = static_cast<uint32_t>(context.arg(0));
  if (context.flavour().few_version_calls && op != XENVER_version && op != XENVER_get_features) return -XEN_ENOSYS;
  switch (op) {
    case XENVER_version: return context.flavour().version_4_20 ? kLaterVersion : kVersion;
    case XENVER_extraversion: return write_text<XEN_EXTRAVERSION_LEN>(context, at, extra_version(context));
    case XENVER_compile_info: return compile_info(context, at);
    case XENVER_capabilities: return write_text<XEN_CAPABILITIES_INFO_LEN>(context, at, kCapabilities);
    case XENVER_changeset: return write_text<XEN_CHANGESET_INFO_LEN>(context, at, "");
    case XENVER_platform_parameters: return platform_parameters(context, at);
    case XENVER_get_features: return get_features(context, at);
    case XENVER_pagesize: return at.v == 0 ? static_cast<int64_t>(kPageSize) : -XEN_EINVAL;
    case XENVER_guest_handle: return guest_handle(context, at);
    case XENVER_commandline: return commandline(context, at);
    case XENVER_build_id: return context.domain.privileged() ? -XEN_ENODATA : -XEN_EPERM;
    default: return context.flavour().long_version_calls ? long_call(context, op, at) : -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
