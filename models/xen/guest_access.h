// Guest memory as hypercalls see it: copies by guest-virtual address (through the vCPU's page tables and the p2m, page
// by page) and by guest-physical address.
//
// Every value is read once, into the caller's own buffer. A copy that fails may have done the pages before; the caller
// answers -EFAULT. Only pages of the domain's own can be reached: a hole fails, and so does a page mapped through a
// grant, as in Xen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "models/base/maybe.h"
#include "models/base/types.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

// What the vCPU's page tables have for the address now; of its 64 bits a walk looks at 48.
Maybe<Gpa> guest_physical(Entry& entry, Vcpu& vcpu, Gva gva, Access access);
// The machine address behind one byte; the rest of its page follows it.
Maybe<Maddr> guest_address(Entry& entry, Vcpu& vcpu, Gva gva, Access access);

// 0 or -EFAULT.
[[nodiscard]] int copy_from_guest(Entry& entry, Vcpu& vcpu, std::span<std::byte> to, Gva from,
                                  Site site = Site::kHypercallArgs);
[[nodiscard]] int copy_to_guest(Entry& entry, Vcpu& vcpu, Gva to, std::span<const std::byte> from,
                                Site site = Site::kHypercallResult);
// The same with the map of the vCPU's domain at hand: for lists, each element of which would look it up anew.
[[nodiscard]] int copy_from_guest(Entry& entry, Vcpu& vcpu, const P2m& p2m, std::span<std::byte> to, Gva from,
                                  Site site);
[[nodiscard]] int copy_to_guest(Entry& entry, Vcpu& vcpu, const P2m& p2m, Gva to, std::span<const std::byte> from,
                                Site site);
[[nodiscard]] int copy_from_physical(Entry& entry, Domain& domain, std::span<std::byte> to, Gpa from, Site site);
[[nodiscard]] int copy_to_physical(Entry& entry, Domain& domain, Gpa to, std::span<const std::byte> from, Site site);

// An argument of the calling vCPU. false: -EFAULT.
template <class T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] bool read_guest(HypercallContext& context, Gva from, T& value) {
  return copy_from_guest(context, context.vcpu, std::as_writable_bytes(std::span(&value, 1)), from) == 0;
}
template <class T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] bool write_guest(HypercallContext& context, Gva to, const T& value) {
  return copy_to_guest(context, context.vcpu, to, std::as_bytes(std::span(&value, 1))) == 0;
}

// Writes `member`, part of the caller's copy of a struct that the guest has at `base`. false: -EFAULT.
template <class Struct, class T>
[[nodiscard]] bool write_guest_member(HypercallContext& context, Gva base, const Struct& copy, const T& member) {
  const auto offset = reinterpret_cast<const std::byte*>(&member) - reinterpret_cast<const std::byte*>(&copy);
  return write_guest(context, Gva{base.v + static_cast<uint64_t>(offset)}, member);
}

// Calls `body` with a value of the caller's layout of a struct: the 64-bit or the 32-bit type.
template <class Struct64, class Struct32, class Body>
auto with_layout(const HypercallContext& context, Body body) {
  return context.mode64() ? body(Struct64{}) : body(Struct32{});
}

}  // namespace xensim::xen
