#include "models/xen/guest_access.h"

#include <algorithm>

#include "models/xen/abi/public.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// Bytes from `address` to the end of its page, at most `left`.
size_t chunk_at(uint64_t address, size_t left) {
  return std::min<size_t>(left, kPageSize - (address & (kPageSize - 1)));
}

// A walk of four levels looks at 48 bits, and at no others: hypercalls take a non-canonical address for the canonical
// one with the same 48, on Xen and on KVM.
Gva canonical(Gva gva) { return {static_cast<uint64_t>(static_cast<int64_t>(gva.v << 16) >> 16)}; }

}  // namespace

Maybe<Gpa> guest_physical(Entry& entry, Vcpu& vcpu, Gva gva, Access access) {
  return entry.platform().translate(vcpu.ref(), canonical(gva), access);
}

Maybe<Maddr> guest_address(Entry& entry, Vcpu& vcpu, Gva gva, Access access) {
  const Maybe<Gpa> gpa = guest_physical(entry, vcpu, gva, access);
  if (!gpa) return std::nullopt;
  return vcpu.domain().p2m().lookup(entry, *gpa, access);
}

int copy_from_guest(Entry& entry, Vcpu& vcpu, std::span<std::byte> to, Gva from, Site site) {
  while (!to.empty()) {
    const std::span<std::byte> chunk = to.first(chunk_at(from.v, to.size()));
    const Maybe<Gpa> gpa = guest_physical(entry, vcpu, from, Access::kRead);
    if (!gpa) return -XEN_EFAULT;
    const Maybe<Maddr> at = vcpu.domain().p2m().lookup(entry, *gpa, Access::kRead);
    if (!at && !entry.holes_read_zero) return -XEN_EFAULT;
    if (at) {
      entry.platform().read(site, *at, chunk);
    } else {
      std::fill(chunk.begin(), chunk.end(), std::byte{0});
    }
    to = to.subspan(chunk.size());
    from.v += chunk.size();
  }
  return 0;
}

int copy_to_guest(Entry& entry, Vcpu& vcpu, Gva to, std::span<const std::byte> from, Site site) {
  while (!from.empty()) {
    const size_t chunk = chunk_at(to.v, from.size());
    const Maybe<Gpa> gpa = guest_physical(entry, vcpu, to, Access::kWrite);
    if (!gpa) return -XEN_EFAULT;
    const Maybe<Maddr> at = vcpu.domain().p2m().lookup(entry, *gpa, Access::kWrite);
    if (!at && !entry.holes_read_zero) return -XEN_EFAULT;
    if (at) entry.platform().write(site, *at, from.first(chunk));
    from = from.subspan(chunk);
    to.v += chunk;
  }
  return 0;
}

int copy_from_physical(Entry& entry, Domain& domain, std::span<std::byte> to, Gpa from, Site site) {
  while (!to.empty()) {
    const size_t chunk = chunk_at(from.v, to.size());
    const Maybe<Maddr> at = domain.p2m().lookup(entry, from, Access::kRead);
    if (!at) return -XEN_EFAULT;
    entry.platform().read(site, *at, to.first(chunk));
    to = to.subspan(chunk);
    from.v += chunk;
  }
  return 0;
}

int copy_to_physical(Entry& entry, Domain& domain, Gpa to, std::span<const std::byte> from, Site site) {
  while (!from.empty()) {
    const size_t chunk = chunk_at(to.v, from.size());
    const Maybe<Maddr> at = domain.p2m().lookup(entry, to, Access::kWrite);
    if (!at) return -XEN_EFAULT;
    entry.platform().write(site, *at, from.first(chunk));
    from = from.subspan(chunk);
    to.v += chunk;
  }
  return 0;
}

}  // namespace xensim::xen
