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

namespace {

// What lies within one page.
inline int copy_from_page(Entry& entry, Vcpu& vcpu, const P2m& p2m, std::span<std::byte> to, Gva from, Site site) {
  const Maybe<Gpa> gpa = entry.platform().translate(vcpu.ref(), canonical(from), Access::kRead);
  if (!gpa) return -XEN_EFAULT;
  if (const Maybe<Maddr> at = p2m.lookup(entry, *gpa, Access::kRead)) {
    entry.platform().read(site, *at, to);
    return 0;
  }
  if (!entry.holes_read_zero) return -XEN_EFAULT;
  std::fill(to.begin(), to.end(), std::byte{0});
  return 0;
}

inline int copy_to_page(Entry& entry, Vcpu& vcpu, const P2m& p2m, Gva to, std::span<const std::byte> from, Site site) {
  const Maybe<Gpa> gpa = entry.platform().translate(vcpu.ref(), canonical(to), Access::kWrite);
  if (!gpa) return -XEN_EFAULT;
  if (const Maybe<Maddr> at = p2m.lookup(entry, *gpa, Access::kWrite)) {
    entry.platform().write(site, *at, from);
    return 0;
  }
  return entry.holes_read_zero ? 0 : -XEN_EFAULT;
}

}  // namespace

int copy_from_guest(Entry& entry, Vcpu& vcpu, const P2m& p2m, std::span<std::byte> to, Gva from, Site site) {
  while (chunk_at(from.v, to.size()) < to.size()) [[unlikely]] {
      const std::span<std::byte> chunk = to.first(chunk_at(from.v, to.size()));
      if (const int error = copy_from_page(entry, vcpu, p2m, chunk, from, site); error != 0) return error;
      to = to.subspan(chunk.size());
      from.v += chunk.size();
    }
  return to.empty() ? 0 : copy_from_page(entry, vcpu, p2m, to, from, site);
}

int copy_to_guest(Entry& entry, Vcpu& vcpu, const P2m& p2m, Gva to, std::span<const std::byte> from, Site site) {
  while (chunk_at(to.v, from.size()) < from.size()) [[unlikely]] {
      const size_t chunk = chunk_at(to.v, from.size());
      if (const int error = copy_to_page(entry, vcpu, p2m, to, from.first(chunk), site); error != 0) return error;
      from = from.subspan(chunk);
      to.v += chunk;
    }
  return from.empty() ? 0 : copy_to_page(entry, vcpu, p2m, to, from, site);
}

int copy_from_guest(Entry& entry, Vcpu& vcpu, std::span<std::byte> to, Gva from, Site site) {
  return copy_from_guest(entry, vcpu, vcpu.domain().p2m(), to, from, site);
}

int copy_to_guest(Entry& entry, Vcpu& vcpu, Gva to, std::span<const std::byte> from, Site site) {
  return copy_to_guest(entry, vcpu, vcpu.domain().p2m(), to, from, site);
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
