// do_memory_op: the memory hypercall, as an unprivileged HVM guest sees it.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"
#include "models/xen/p2m.h"
#include "models/xen/physmap.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kMaxOrder = 9;  // of what an unprivileged domain may ask for at once (Xen's CONFIG_DOMU_MAX_ORDER)

// The highest page of the machine's RAM, which XENMEM_maximum_ram_page tells everybody: a machine of 4 GiB.
constexpr int64_t kMaximumRamPage = 0x100000;

// memory.h has these for toolstacks alone.
constexpr uint32_t kSharingFreedPages = 18;
constexpr uint32_t kSharingSharedPages = 19;
constexpr uint32_t kAccessOp = 21;
constexpr uint32_t kClaimPages = 24;
constexpr uint32_t kReservedDeviceMemoryMap = 27;

constexpr unsigned kExtentShift = 6;  // a call's number above the sub-op: where it goes on, or 0

// A domain that the caller may act for: itself, or any if it is privileged. 0 with `domain`, -ESRCH or -EPERM. Domain 0
// always exists in Xen, whether or not this machine has one of its own; a call that changes a physmap refuses it
// (`of_control_domain`).
int64_t find_target(HypercallContext& context, uint16_t domid, Domain*& domain,
                    int64_t of_control_domain = -XEN_EPERM) {
  domain = context.domain_by_any_id(DomId{domid});
  if (domain == nullptr) return domid == 0 ? of_control_domain : -XEN_ESRCH;
  return domain == &context.domain || context.domain.privileged() ? 0 : -XEN_EPERM;
}

int64_t reservation_figures(HypercallContext& context, uint32_t op, Gva at) {
  xen_memory_domain query;
  if (!read_guest(context, at, query)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  if (const int64_t error = find_target(context, query.domid, domain); error != 0) return error;
  P2m& p2m = domain->p2m();
  const LockGuard guard(context, p2m.lock);
  switch (op) {
    case XENMEM_current_reservation: return static_cast<int64_t>(p2m.current_pages());
    case XENMEM_maximum_reservation: return static_cast<int64_t>(p2m.max_pages());
    default: return static_cast<int64_t>(p2m.highest_gfn().v);
  }
}

template <class Raw>
int64_t add_to_physmap(HypercallContext& context, uint64_t start, Gva at) {
  if (start > 0xffff) return -XEN_EDOM;
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  if (raw.space == XENMAPSPACE_gmfn_foreign) return -XEN_ENOSYS;  // only in a batch
  Domain* domain = nullptr;
  if (const int64_t error = find_target(context, raw.domid, domain, -XEN_EACCES); error != 0) return error;
  if (raw.space == XENMAPSPACE_dev_mmio) return -XEN_EACCES;
  // The highest number of the caller's width stands for none.
  if (raw.gpfn == static_cast<decltype(raw.gpfn)>(~uint64_t{0})) return -XEN_EINVAL;
  if (raw.space != XENMAPSPACE_gmfn_range) return map_to_physmap(context, *domain, raw.space, raw.idx, Gfn{raw.gpfn});

  if (raw.size < start) return -XEN_EILSEQ;
  const uint64_t idx = raw.idx, gpfn = raw.gpfn;
  if (idx + raw.size < idx || gpfn + raw.size < gpfn) return -XEN_EOVERFLOW;
  for (uint64_t i = start; i < raw.size; ++i) {
    const int64_t result = map_to_physmap(context, *domain, XENMAPSPACE_gmfn, idx + i, Gfn{gpfn + i});
    if (result < 0) return result;
  }
  return 0;
}

template <class Raw, class Number>
int64_t add_to_physmap_batch(HypercallContext& context, uint64_t start, Gva at) {
  if (start > 0xffff) return -XEN_EDOM;
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  if (raw.space == XENMAPSPACE_gmfn_range) return -XEN_EOPNOTSUPP;
  Domain* domain = nullptr;
  if (const int64_t error = find_target(context, raw.domid, domain, -XEN_EACCES); error != 0) return error;
  if (raw.space == XENMAPSPACE_dev_mmio) return -XEN_EACCES;
  if (raw.size < start) return -XEN_EILSEQ;
  if (raw.size == start) return start != 0 ? -XEN_EILSEQ : 0;
  for (uint64_t i = start; i < raw.size; ++i) {
    Number idx, gpfn;
    if (!read_guest(context, Gva{handle_value(raw.idxs) + i * sizeof(Number)}, idx) ||
        !read_guest(context, Gva{handle_value(raw.gpfns) + i * sizeof(Number)}, gpfn)) {
      return -XEN_EFAULT;
    }
    if (gpfn == static_cast<Number>(~uint64_t{0})) return -XEN_EINVAL;
    const auto error = static_cast<int32_t>(raw.space == XENMAPSPACE_gmfn_foreign
                                                ? map_foreign(context, raw.u.foreign_domid)
                                                : map_to_physmap(context, *domain, raw.space, idx, Gfn{gpfn}));
    if (!write_guest(context, Gva{handle_value(raw.errs) + i * sizeof(error)}, error)) return -XEN_EFAULT;
  }
  return 0;
}

template <class Raw>
int64_t remove_from_physmap(HypercallContext& context, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  if (const int64_t error = find_target(context, raw.domid, domain, -XEN_EACCES); error != 0) return error;
  P2m& p2m = domain->p2m();
  const LockGuard guard(context, p2m.lock);
  if (!p2m.lookup(Gfn{raw.gpfn}).is_ram()) return -XEN_ENOENT;
  p2m.set(Gfn{raw.gpfn}, {});
  return 0;
}

// A reservation, of either width.
struct Reservation {
  uint64_t extents = 0;  // guest address of the list of gfns; 0: none
  uint64_t count = 0;
  uint32_t order = 0;
  uint32_t flags = 0;
  uint16_t domid = 0;
};

template <class Raw>
bool read_reservation(HypercallContext& context, Gva at, Reservation& reservation) {
  Raw raw;
  if (!read_guest(context, at, raw)) return false;
  reservation = {handle_value(raw.extent_start), raw.nr_extents, raw.extent_order, raw.mem_flags, raw.domid};
  return true;
}

bool read_any_reservation(HypercallContext& context, Gva at, Reservation& reservation) {
  return context.mode64() ? read_reservation<xen_memory_reservation>(context, at, reservation)
                          : read_reservation<abi32::xen_memory_reservation>(context, at, reservation);
}

// RAM that the domain has nowhere in its map: that is all increase_reservation gives an HVM guest.
bool add_unplaced(HypercallContext& context, Domain& domain, uint64_t pages) {
  P2m& p2m = domain.p2m();
  const LockGuard guard(context, p2m.lock);
  for (; pages > 0; --pages) {
    if (!p2m.take_unplaced_page()) return false;
  }
  return true;
}

// One extent of any of the three. false: the call stops here.
bool change_extent(HypercallContext& context, uint32_t op, Domain& domain, const Reservation& reservation,
                   uint64_t index) {
  if (op == XENMEM_increase_reservation) return add_unplaced(context, domain, uint64_t{1} << reservation.order);
  uint64_t gfn = 0;
  uint32_t gfn32 = 0;
  const unsigned bytes = context.mode64() ? 8 : 4;
  const Gva at{reservation.extents + index * bytes};
  if (!(context.mode64() ? read_guest(context, at, gfn) : read_guest(context, at, gfn32))) return false;
  if (!context.mode64()) gfn = gfn32;
  for (uint64_t i = 0; i < uint64_t{1} << reservation.order; ++i) {
    const int64_t result = op == XENMEM_decrease_reservation ? remove_guest_page(context, domain, Gfn{gfn + i})
                                                             : populate_guest_page(context, domain, Gfn{gfn + i});
    if (result != 0) return false;
  }
  return true;
}

// Gives how many extents are done, never an error.
int64_t change_reservation(HypercallContext& context, uint32_t op, uint64_t start, Gva at) {
  const auto done_before = static_cast<int64_t>(start);
  Reservation reservation;
  if (!read_any_reservation(context, at, reservation)) return done_before;
  if (reservation.count > (~0u >> kExtentShift) || start >= reservation.count) return done_before;
  Domain* domain = nullptr;
  if (find_target(context, reservation.domid, domain) != 0) return done_before;
  if (reservation.order > kMaxOrder) return done_before;
  const bool on_demand = (reservation.flags & XENMEMF_populate_on_demand) != 0;
  if (op == XENMEM_populate_physmap && on_demand && domain == &context.domain) return done_before;
  uint64_t done = start;
  while (done < reservation.count && change_extent(context, op, *domain, reservation, done)) ++done;
  return static_cast<int64_t>(done);
}

constexpr unsigned kMapEntryBytes = 20;  // struct e820entry is packed: address, size, type

template <class Raw>
int64_t get_memory_map(HypercallContext& context, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  std::vector<MemoryRange> map;
  {
    const LockGuard guard(context, context.domain.p2m().lock);
    map = context.domain.p2m().memory_map;
  }
  if (map.empty()) return -XEN_ENOSYS;
  raw.nr_entries = std::min(raw.nr_entries, static_cast<uint32_t>(map.size()));
  std::vector<std::byte> packed(raw.nr_entries * kMapEntryBytes);
  for (uint32_t i = 0; i < raw.nr_entries; ++i) {
    std::byte* const to = packed.data() + i * kMapEntryBytes;
    std::memcpy(to, &map[i].start, 8);
    std::memcpy(to + 8, &map[i].bytes, 8);
    std::memcpy(to + 16, &map[i].type, 4);
  }
  if (copy_to_guest(context, context.vcpu, Gva{handle_value(raw.buffer)}, packed) != 0) return -XEN_EFAULT;
  return write_guest(context, at, raw) ? 0 : -XEN_EFAULT;
}

// Unlike most of the toolstack's calls this one is open to a domain on itself.
template <class Foreign>
int64_t set_memory_map(HypercallContext& context, Gva at) {
  constexpr uint32_t kMaxEntries = 1024;  // Xen's E820MAX
  Foreign raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  if (raw.map.nr_entries > kMaxEntries) return -XEN_EINVAL;
  Domain* domain = nullptr;
  if (const int64_t error = find_target(context, raw.domid, domain); error != 0) return error;
  std::vector<std::byte> packed(raw.map.nr_entries * kMapEntryBytes);
  if (copy_from_guest(context, context.vcpu, packed, Gva{handle_value(raw.map.buffer)}) != 0) return -XEN_EFAULT;
  std::vector<MemoryRange> map(raw.map.nr_entries);
  for (uint32_t i = 0; i < raw.map.nr_entries; ++i) {
    const std::byte* const from = packed.data() + i * kMapEntryBytes;
    std::memcpy(&map[i].start, from, 8);
    std::memcpy(&map[i].bytes, from + 8, 8);
    std::memcpy(&map[i].type, from + 16, 4);
  }
  const LockGuard guard(context, domain->p2m().lock);
  domain->p2m().memory_map = std::move(map);
  return 0;
}

struct ForeignMap32 {
  uint16_t domid;
  abi32::xen_memory_map map;
};

// Reads whatever the call takes at `at`, as Xen does first, and answers `result`.
int64_t refuse(HypercallContext& context, Gva at, unsigned bytes, int64_t result) {
  std::array<std::byte, 128> argument;
  return copy_from_guest(context, context.vcpu, std::span(argument).first(bytes), at) != 0 ? -XEN_EFAULT : result;
}

// XENMEM_exchange: nothing that an HVM guest's pages could be exchanged for.
int64_t exchange(HypercallContext& context, Gva at) {
  Reservation in, out;
  const uint64_t reservation_bytes =
      context.mode64() ? sizeof(xen_memory_reservation) : sizeof(abi32::xen_memory_reservation);
  uint64_t done = 0;
  uint32_t done32 = 0;
  const Gva done_at{at.v + 2 * reservation_bytes};
  if (!read_any_reservation(context, at, in) || !read_any_reservation(context, Gva{at.v + reservation_bytes}, out) ||
      !(context.mode64() ? read_guest(context, done_at, done) : read_guest(context, done_at, done32))) {
    return -XEN_EFAULT;
  }
  if (!context.mode64()) done = done32;
  if (std::max(in.order, out.order) > kMaxOrder) return -XEN_EPERM;
  if (done > in.count || in.domid != out.domid || (~uint64_t{0} >> in.order) < in.count ||
      (~uint64_t{0} >> out.order) < out.count || in.count << in.order != out.count << out.order) {
    return -XEN_EINVAL;
  }
  if (done == in.count) return 0;
  Domain* domain = nullptr;
  if (const int64_t error = find_target(context, in.domid, domain); error != 0) return error;
  return -XEN_EOPNOTSUPP;
}

// XENMEM_machphys_mfn_list: where the machine-to-physical table lies in machine memory; here there is none to tell of.
template <class Raw>
int64_t machphys_mfn_list(HypercallContext& context, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  raw.nr_extents = 0;
  return write_guest_member(context, at, raw, raw.nr_extents) ? 0 : -XEN_EFAULT;
}

int64_t claim_pages(HypercallContext& context, Gva at) {
  Reservation reservation;
  if (!read_any_reservation(context, at, reservation)) return -XEN_EFAULT;
  if (reservation.extents != 0 || reservation.order != 0 || reservation.flags != 0) return -XEN_EINVAL;
  const bool known = reservation.domid == 0 || context.hv.find_domain(DomId{reservation.domid}) != nullptr;
  return known ? -XEN_EPERM : -XEN_EINVAL;
}

int64_t get_vnuma_info(HypercallContext& context, Gva at) {
  xen_vnuma_topology_info topology;  // the same in both widths
  if (!read_guest(context, at, topology)) return -XEN_EFAULT;
  if (topology.pad != 0) return -XEN_EINVAL;
  Domain* domain = nullptr;
  if (const int64_t error = find_target(context, topology.domid, domain); error != 0) return error;
  return -XEN_EOPNOTSUPP;  // no domain has a virtual NUMA layout
}

// XENMEM_reserved_device_memory_map: flags, nr_entries, a list, a device. No device has reserved memory.
int64_t reserved_device_memory(HypercallContext& context, Gva at) {
  std::array<uint32_t, 2> head;
  if (!read_guest(context, at, head)) return -XEN_EFAULT;
  if ((head[0] & ~1u) != 0) return -XEN_EINVAL;
  return write_guest(context, Gva{at.v + 4}, uint32_t{0}) ? 0 : -XEN_EFAULT;
}

// Calls that a domain is not given, by sub-op; `start` is where a continuation would go on.
int64_t privileged_op(HypercallContext& context, uint32_t op, uint64_t start, Gva at) {
  switch (op) {
    case kClaimPages: return start != 0 ? -XEN_EINVAL : claim_pages(context, at);
    case XENMEM_get_vnumainfo: return start != 0 ? -XEN_EINVAL : get_vnuma_info(context, at);
    case kReservedDeviceMemoryMap: return start != 0 ? -XEN_EINVAL : reserved_device_memory(context, at);
    case XENMEM_acquire_resource: return -XEN_EACCES;
    case kAccessOp: return refuse(context, at, 24, -XEN_EINVAL);
    default: break;
  }
  if (start != 0) return -XEN_ENOSYS;
  switch (op) {
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target: return refuse(context, at, 40, -XEN_EINVAL);
    case kSharingFreedPages:
    case kSharingSharedPages: return 0;
    case XENMEM_machphys_compat_mfn_list: return -XEN_EOPNOTSUPP;
    default: return -XEN_ENOSYS;
  }
}

}  // namespace

int64_t do_memory_op(HypercallContext& context) {
  const auto op = static_cast<uint32_t>(context.arg(0) & ((1u << kExtentShift) - 1));
  const uint64_t start = context.arg(0) >> kExtentShift;
  const Gva at{context.arg(1)};
  const bool wide = context.mode64();
  switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap: return change_reservation(context, op, start, at);
    case XENMEM_add_to_physmap:
      return wide ? add_to_physmap<xen_add_to_physmap>(context, start, at)
                  : add_to_physmap<abi32::xen_add_to_physmap>(context, start, at);
    case XENMEM_add_to_physmap_batch:
      return wide ? add_to_physmap_batch<xen_add_to_physmap_batch, uint64_t>(context, start, at)
                  : add_to_physmap_batch<abi32::xen_add_to_physmap_batch, uint32_t>(context, start, at);
    case XENMEM_maximum_ram_page: return start != 0 ? -XEN_EINVAL : kMaximumRamPage;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn: return start != 0 ? -XEN_EINVAL : reservation_figures(context, op, at);
    case XENMEM_exchange: return start != 0 ? -XEN_EINVAL : exchange(context, at);
    case XENMEM_remove_from_physmap:
      if (start != 0) return -XEN_EINVAL;
      return wide ? remove_from_physmap<xen_remove_from_physmap>(context, at)
                  : remove_from_physmap<abi32::xen_remove_from_physmap>(context, at);
    case XENMEM_memory_map:
      if (start != 0) return -XEN_ENOSYS;
      return wide ? get_memory_map<xen_memory_map>(context, at) : get_memory_map<abi32::xen_memory_map>(context, at);
    case XENMEM_set_memory_map:
      if (start != 0) return -XEN_ENOSYS;
      return wide ? set_memory_map<xen_foreign_memory_map>(context, at) : set_memory_map<ForeignMap32>(context, at);
    case XENMEM_machphys_mfn_list:
      if (start != 0) return -XEN_ENOSYS;
      return wide ? machphys_mfn_list<xen_machphys_mfn_list>(context, at)
                  : machphys_mfn_list<abi32::xen_machphys_mfn_list>(context, at);
    default: return privileged_op(context, op, start, at);
  }
}

}  // namespace xensim::xen
