// XENMEM_exchange: checked as Xen checks it; a guest whose memory is translated has nothing to exchange pages for.
#include <algorithm>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"
#include "models/xen/memory_op.h"
#include "models/xen/memory_reservation.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

struct Exchange {
  Reservation in, out;
  uint64_t done = 0;  // input extents
};

constexpr uint64_t kNativeHead = 2 * sizeof(xen_memory_reservation) + sizeof(uint64_t);
constexpr uint64_t kCompatWords = (2 * kPageSize - kNativeHead) / sizeof(uint64_t);

Gva done_at(const HypercallContext& context, Gva at) {
  return Gva{at.v + 2 * (context.mode64() ? sizeof(xen_memory_reservation) : sizeof(abi32::xen_memory_reservation))};
}

bool read_exchange(HypercallContext& context, Gva at, Exchange& exchange) {
  const uint64_t bytes = context.mode64() ? sizeof(xen_memory_reservation) : sizeof(abi32::xen_memory_reservation);
  if (!read_reservation(context, at, exchange.in) || !read_reservation(context, Gva{at.v + bytes}, exchange.out)) {
    return false;
  }
  if (context.mode64()) return read_guest(context, done_at(context, at), exchange.done);
  uint32_t done32 = 0;
  if (!read_guest(context, done_at(context, at), done32)) return false;
  exchange.done = done32;
  return true;
}

// What the 32-bit entry looks at before the rest: sizes in 32 bits, and lists that it can translate. 0 or an errno.
int64_t check_narrow(HypercallContext& context, const Exchange& exchange) {
  const auto in = static_cast<uint32_t>(exchange.in.count), out = static_cast<uint32_t>(exchange.out.count);
  const uint32_t in_order = exchange.in.order & 31, out_order = exchange.out.order & 31;  // as the CPU shifts
  const auto delta = static_cast<int32_t>(exchange.out.order - exchange.in.order);
  if (exchange.done > in) return -XEN_EINVAL;
  if (delta > 0 && (exchange.done & ((1u << (static_cast<uint32_t>(delta) & 31)) - 1)) != 0) return -XEN_EINVAL;
  if ((~0u >> in_order) < in || (~0u >> out_order) < out || in << in_order != out << out_order) return -XEN_EINVAL;
  const uint32_t ratio = static_cast<uint32_t>(delta < 0 ? -delta : delta) & 31;
  const uint64_t chunk = kCompatWords / ((uint64_t{1} << ratio) + 1);
  if (chunk == 0) return -XEN_E2BIG;
  const uint64_t end = std::min<uint64_t>(exchange.done + (delta > 0 ? chunk << ratio : chunk), in);
  uint32_t gfn = 0;
  for (uint64_t i = exchange.done; i < end; ++i) {
    if (!read_guest(context, Gva{exchange.in.extents + i * 4}, gfn)) return -XEN_EFAULT;
  }
  const uint64_t first = delta > 0 ? exchange.done >> ratio : exchange.done << ratio;
  const uint64_t last = delta > 0 ? end >> ratio : end << ratio;
  for (uint64_t i = first; i < last; ++i) {
    if (!read_guest(context, Gva{exchange.out.extents + i * 4}, gfn)) return -XEN_EFAULT;
  }
  return 0;
}

int64_t check_sizes(const HypercallContext& context, const Exchange& exchange) {
  const Reservation &in = exchange.in, &out = exchange.out;
  if (std::max(in.order, out.order) > max_extent_order(context)) return -XEN_EPERM;
  if (exchange.done > in.count || in.domid != out.domid || (~uint64_t{0} >> in.order) < in.count ||
      (~uint64_t{0} >> out.order) < out.count || in.count << in.order != out.count << out.order) {
    return -XEN_EINVAL;
  }
  return 0;
}

// The first page that would be given away decides: a hole cannot be, and any other page neither.
int64_t refuse_first_page(HypercallContext& context, Domain& domain, const Exchange& exchange) {
  const uint32_t ratio = exchange.out.order > exchange.in.order ? exchange.out.order - exchange.in.order : 0;
  if (exchange.in.count >> ratio <= exchange.done >> ratio) return 0;
  const uint64_t index = exchange.done >> ratio << ratio;
  uint64_t gfn = 0;
  uint32_t gfn32 = 0;
  const bool ok = context.mode64() ? read_guest(context, Gva{exchange.in.extents + index * 8}, gfn)
                                   : read_guest(context, Gva{exchange.in.extents + index * 4}, gfn32);
  if (!ok) return -XEN_EFAULT;
  if (!context.mode64()) gfn = gfn32;
  return domain.p2m().lookup(Gfn{gfn}).is_hole() ? -XEN_EINVAL : -XEN_EOPNOTSUPP;
}

int64_t check_exchange(HypercallContext& context, const Exchange& exchange) {
  if (const int64_t error = check_sizes(context, exchange); error != 0) return error;
  if (exchange.done == exchange.in.count) return 0;
  // Address bits are taken as they are here; the nodes alone are looked at.
  if (memory_flags_refused(context, exchange.out.flags & ~0xffu)) return -XEN_EINVAL;
  Domain* domain = nullptr;
  if (const int64_t error = find_memory_target(context, exchange.in.domid, domain, -XEN_EPERM); error != 0) {
    return error;
  }
  return refuse_first_page(context, *domain, exchange);
}

}  // namespace

int64_t exchange_memory(HypercallContext& context, uint64_t start, Gva at) {
  if (context.mode64() && start != 0) return -XEN_EINVAL;
  Exchange exchange;
  if (!read_exchange(context, at, exchange)) return -XEN_EFAULT;
  if (!context.mode64()) {
    if (const int64_t error = check_narrow(context, exchange); error != 0) return error;
    if (start != 0) return -XEN_EINVAL;
    return check_exchange(context, exchange);
  }
  const int64_t result = check_exchange(context, exchange);
  // A failure says how far it came.
  if (result != 0 && !write_guest(context, done_at(context, at), exchange.done)) return -XEN_EFAULT;
  return result;
}

}  // namespace xensim::xen
