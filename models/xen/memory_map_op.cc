// XENMEM memory_map and set_memory_map, a domain's memory map as its loader made it; and machphys_mfn_list.
#include <algorithm>
#include <cstring>
#include <vector>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"
#include "models/xen/memory_op.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

constexpr unsigned kMapEntryBytes = 20;  // struct e820entry is packed: address, size, type
constexpr uint32_t kMaxEntries = 1024;   // Xen's E820MAX

// The machine-to-physical table of a machine of 4 GiB: 8 bytes a page, told of by its 2 MiB pages, from the top of RAM
// downwards.
constexpr uint32_t kMachphysExtents = 4;
constexpr uint64_t kMachphysFirstFrame = 0xffe00;
constexpr uint64_t kMachphysExtentPages = 0x200;

std::vector<std::byte> pack(std::span<const MemoryRange> map) {
  std::vector<std::byte> packed(map.size() * kMapEntryBytes);
  std::byte* to = packed.data();
  for (const MemoryRange& range : map) {
    std::memcpy(to, &range.start, 8);
    std::memcpy(to + 8, &range.bytes, 8);
    std::memcpy(to + 16, &range.type, 4);
    to += kMapEntryBytes;
  }
  return packed;
}

std::vector<MemoryRange> unpack(std::span<const std::byte> packed) {
  std::vector<MemoryRange> map(packed.size() / kMapEntryBytes);
  const std::byte* from = packed.data();
  for (MemoryRange& range : map) {
    std::memcpy(&range.start, from, 8);
    std::memcpy(&range.bytes, from + 8, 8);
    std::memcpy(&range.type, from + 16, 4);
    from += kMapEntryBytes;
  }
  return map;
}

template <class Raw>
int64_t give_map(HypercallContext& context, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  std::vector<MemoryRange> map;
  {
    const LockGuard guard(context, context.domain.p2m().lock);
    map = context.domain.p2m().memory_map;
  }
  if (map.empty()) return -XEN_ENOSYS;
  raw.nr_entries = std::min(raw.nr_entries, static_cast<uint32_t>(map.size()));
  const std::vector<std::byte> packed = pack(std::span(map).first(raw.nr_entries));
  if (copy_to_guest(context, context.vcpu, Gva{handle_value(raw.buffer)}, packed) != 0) return -XEN_EFAULT;
  return write_guest(context, at, raw) ? 0 : -XEN_EFAULT;
}

struct ForeignMap32 {
  uint16_t domid;
  abi32::xen_memory_map map;
};

template <class Foreign>
int64_t take_map(HypercallContext& context, Gva at) {
  Foreign raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  if (raw.map.nr_entries > kMaxEntries) return -XEN_EINVAL;
  Domain* domain = nullptr;
  if (const int64_t error = find_memory_target(context, raw.domid, domain, -XEN_EPERM); error != 0) return error;
  std::vector<std::byte> packed(raw.map.nr_entries * kMapEntryBytes);
  if (copy_from_guest(context, context.vcpu, packed, Gva{handle_value(raw.map.buffer)}) != 0) return -XEN_EFAULT;
  const LockGuard guard(context, domain->p2m().lock);
  domain->p2m().memory_map = unpack(packed);
  return 0;
}

}  // namespace

int64_t get_memory_map(HypercallContext& context, Gva at) {
  return context.mode64() ? give_map<xen_memory_map>(context, at) : give_map<abi32::xen_memory_map>(context, at);
}

// Unlike most of the toolstack's calls this one is open to a domain on itself.
int64_t set_memory_map(HypercallContext& context, Gva at) {
  return context.mode64() ? take_map<xen_foreign_memory_map>(context, at) : take_map<ForeignMap32>(context, at);
}

int64_t machphys_mfn_list(HypercallContext& context, Gva at) {
  if (!context.mode64()) return -XEN_EOPNOTSUPP;  // 32-bit PV is off
  xen_machphys_mfn_list raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  raw.nr_extents = std::min(raw.max_extents, kMachphysExtents);
  for (uint32_t i = 0; i < raw.nr_extents; ++i) {
    const uint64_t frame = kMachphysFirstFrame - i * kMachphysExtentPages;
    if (!write_guest(context, Gva{handle_value(raw.extent_start) + i * sizeof(frame)}, frame)) return -XEN_EFAULT;
  }
  return write_guest(context, at, raw) ? 0 : -XEN_EFAULT;
}

}  // namespace xensim::xen
