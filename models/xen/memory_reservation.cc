// XENMEM increase_reservation, decrease_reservation and populate_physmap, the figures of a domain's reservation, and
// claims.
#include <algorithm>
#include <vector>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/continuation.h"
#include "models/xen/guest_access.h"
#include "models/xen/memory_op.h"
#include "models/xen/memory_reservation.h"
#include "models/xen/p2m.h"
#include "models/xen/physmap.h"

namespace xensim::xen {
namespace {

// What Xen translates of a 32-bit list at a time: two pages, less the head.
constexpr uint64_t kCompatChunk = (2 * kPageSize - sizeof(xen_memory_reservation)) / sizeof(uint64_t);

template <class Raw>
bool read_raw(HypercallContext& context, Gva at, Reservation& reservation) {
  Raw raw;
  if (!read_guest(context, at, raw)) return false;
  reservation = {handle_value(raw.extent_start), raw.nr_extents, raw.extent_order, raw.mem_flags, raw.domid};
  return true;
}

// The gfns of a 32-bit list, read ahead; what a 64-bit list says is read when its turn comes.
struct ExtentList {
  Gva at;
  bool narrow = false;  // entries of 32 bits; the list at address 0 is none to Xen, and read as 64-bit words
  uint64_t first = 0;   // of `ahead`
  std::vector<uint64_t> ahead;
};

bool read_extent(HypercallContext& context, const ExtentList& list, uint64_t index, uint64_t& gfn) {
  if (!list.narrow) return read_guest(context, Gva{list.at.v + index * 8}, gfn);
  uint32_t gfn32 = 0;
  if (!read_guest(context, Gva{list.at.v + index * 4}, gfn32)) return false;
  gfn = gfn32;
  return true;
}

// Reads entries `first` up to `end` of a 32-bit list; gives where it stopped.
uint64_t read_ahead(HypercallContext& context, ExtentList& list, uint64_t first, uint64_t end) {
  list.first = first;
  list.ahead.clear();
  for (uint64_t index = first; index < end; ++index) {
    uint64_t gfn = 0;
    if (!read_extent(context, list, index, gfn)) return index;
    list.ahead.push_back(gfn);
  }
  return end;
}

bool decrease_extent(HypercallContext& context, Domain& domain, uint64_t gfn, uint32_t order) {
  for (uint64_t i = 0; i < uint64_t{1} << order; ++i) {
    if (remove_guest_page(context, domain, Gfn{gfn + i}) != 0) return false;
  }
  return true;
}

// RAM that the domain has nowhere in its map: that is all increase_reservation gives an HVM guest.
bool increase_extent(HypercallContext& context, Domain& domain, uint32_t order) {
  P2m& p2m = domain.p2m();
  const LockGuard guard(context, p2m.lock);
  return p2m.take_allowance(uint64_t{1} << order);
}

// One extent of any of the three. false: the call stops here.
bool change_extent(HypercallContext& context, uint32_t op, Domain& domain, const Reservation& reservation,
                   const ExtentList& list, uint64_t index) {
  if (op == XENMEM_increase_reservation) return increase_extent(context, domain, reservation.order);
  uint64_t gfn = 0;
  if (list.narrow) {
    gfn = list.ahead[index - list.first];
  } else if (!read_extent(context, list, index, gfn)) {
    return false;
  }
  if (op == XENMEM_decrease_reservation) return decrease_extent(context, domain, gfn, reservation.order);
  // A domain may not have its own pages come on demand.
  if ((reservation.flags & XENMEMF_populate_on_demand) != 0) return false;
  return populate_extent(context, domain, gfn, reservation.order);
}

// Xen writes the frames that it gave into a 32-bit caller's list, for a translated guest too: there they are the gfns
// that it read (of an increase: nothing in particular). Gives how many entries could be written.
uint64_t write_back(HypercallContext& context, const ExtentList& list, uint64_t first, uint64_t end) {
  for (uint64_t index = first; index < end; ++index) {
    const uint64_t at = index - list.first;
    const uint32_t gfn = at < list.ahead.size() ? static_cast<uint32_t>(list.ahead[at]) : 0;
    if (!write_guest(context, Gva{list.at.v + index * 4}, gfn)) return index;
  }
  return end;
}

// Does extents `first` up to `end`; gives where it stopped, `failed` or preempted.
uint64_t change_extents(HypercallContext& context, uint32_t op, Domain& domain, const Reservation& reservation,
                        const ExtentList& list, uint64_t first, uint64_t end, bool& failed) {
  uint64_t done = first;
  while (done < end) {
    if (done != first && should_preempt(context)) return done;
    if (!change_extent(context, op, domain, reservation, list, done)) {
      failed = true;
      return done;
    }
    ++done;
  }
  return done;
}

// A 32-bit caller's call, a chunk of its list at a time. Gives what is done; `failed`: it ends there, else it goes on.
uint64_t change_by_chunks(HypercallContext& context, uint32_t op, Domain& domain, const Reservation& reservation,
                          uint64_t start, bool& failed) {
  ExtentList list{Gva{reservation.extents}, true, 0, {}};
  while (start < reservation.count) {
    const uint64_t wanted = std::min(start + kCompatChunk, reservation.count);
    list.ahead.clear();
    list.first = start;
    const uint64_t end = op == XENMEM_increase_reservation ? wanted : read_ahead(context, list, start, wanted);
    const uint64_t done = change_extents(context, op, domain, reservation, list, start, end, failed);
    const uint64_t written = op == XENMEM_decrease_reservation ? done : write_back(context, list, start, done);
    failed = failed || written != done || (done == end && end != wanted);
    start = written;
    if (failed || done != wanted) return start;
    if (start < reservation.count && should_preempt(context)) return start;
  }
  return start;
}

}  // namespace

bool read_reservation(HypercallContext& context, Gva at, Reservation& reservation) {
  return context.mode64() ? read_raw<xen_memory_reservation>(context, at, reservation)
                          : read_raw<abi32::xen_memory_reservation>(context, at, reservation);
}

// Gives how many extents are done, never an error.
int64_t change_reservation(HypercallContext& context, uint32_t op, uint64_t start, Gva at) {
  const auto done_before = static_cast<int64_t>(start);
  Reservation reservation;
  if (!read_reservation(context, at, reservation)) return done_before;
  if (reservation.count > kMaxExtents || start >= reservation.count) return done_before;
  Domain* domain = nullptr;
  if (find_memory_target(context, reservation.domid, domain, -XEN_EPERM) != 0) return done_before;
  if (memory_flags_refused(context, reservation.flags)) return done_before;
  if (reservation.order > max_extent_order(context)) return done_before;
  bool failed = false;
  uint64_t done = 0;
  if (!context.mode64() && reservation.extents != 0) {
    done = change_by_chunks(context, op, *domain, reservation, start, failed);
  } else {
    const ExtentList list{Gva{reservation.extents}, false, 0, {}};
    done = change_extents(context, op, *domain, reservation, list, start, reservation.count, failed);
  }
  if (failed || done == reservation.count) return static_cast<int64_t>(done);
  return continue_later(context, __HYPERVISOR_memory_op, {op | done << kExtentShift, at.v});
}

int64_t reservation_figure(HypercallContext& context, uint32_t op, uint64_t start, Gva at) {
  if (start != 0) return -XEN_EINVAL;
  xen_memory_domain query;
  if (!read_guest(context, at, query)) return -XEN_EFAULT;
  Domain* domain = nullptr;
  if (const int64_t error = find_memory_target(context, query.domid, domain, -XEN_EPERM); error != 0) return error;
  P2m& p2m = domain->p2m();
  const LockGuard guard(context, p2m.lock);
  switch (op) {
    case XENMEM_current_reservation: return static_cast<int64_t>(p2m.current_pages());
    case XENMEM_maximum_reservation: return static_cast<int64_t>(p2m.max_pages());
    default: return static_cast<int64_t>(p2m.highest_gfn().v);
  }
}

// How much a domain shall be able to grow by: for toolstacks, while they build it.
int64_t claim_pages(HypercallContext& context, uint64_t start, Gva at) {
  if (!context.mode64()) return -XEN_ENOSYS;  // the 32-bit entry does not know it
  if (start != 0) return -XEN_EINVAL;
  Reservation reservation;
  if (!read_reservation(context, at, reservation)) return -XEN_EFAULT;
  if (reservation.extents != 0 || reservation.order != 0 || reservation.flags != 0) return -XEN_EINVAL;
  Domain* const domain = context.hv.find_domain(DomId{reservation.domid});
  if (domain == nullptr) return reservation.domid == 0 ? -XEN_EPERM : -XEN_EINVAL;
  if (!context.domain.privileged()) return -XEN_EPERM;
  P2m& p2m = domain->p2m();
  const LockGuard guard(context, p2m.lock);
  return p2m.claim(reservation.count) ? 0 : -XEN_EINVAL;
}

}  // namespace xensim::xen
