// Strong types for the addresses, numbers and times that cross xensim's layers.
//
// Each is a plain aggregate with one member `v`, so that a value is written as `Gpa{0x1000}` and never mixes with
// another kind.
#pragma once

#include <compare>
#include <cstdint>

namespace xensim {

// Defines a strong integer type; comparable, hashable by `.v`, no arithmetic.
#define XS_STRONG_TYPE(Name, Rep)                            \
  struct Name {                                              \
    Rep v = 0;                                               \
    friend constexpr auto operator<=>(Name, Name) = default; \
  }

XS_STRONG_TYPE(Gva, uint64_t);          // guest virtual (linear) address
XS_STRONG_TYPE(Gpa, uint64_t);          // guest-physical address, of one domain
XS_STRONG_TYPE(Gfn, uint64_t);          // guest frame number: Gpa >> 12
XS_STRONG_TYPE(Maddr, uint64_t);        // machine address: every domain's RAM and the core's own pages, in one space
XS_STRONG_TYPE(Mfn, uint64_t);          // machine frame number: Maddr >> 12
XS_STRONG_TYPE(Port, uint32_t);         // event channel port
XS_STRONG_TYPE(GrantRef, uint32_t);     // index into a grant table
XS_STRONG_TYPE(GrantHandle, uint32_t);  // index into a maptrack table
XS_STRONG_TYPE(DomId, uint16_t);        // domain id; 0x7ff0 and above are special (xen.h, DOMID_*)
XS_STRONG_TYPE(VcpuId, uint32_t);       // vCPU number within its domain
XS_STRONG_TYPE(VirtualNs, uint64_t);    // virtual time: nanoseconds since the machine was started

#undef XS_STRONG_TYPE

inline constexpr uint64_t kPageSize = 4096;
inline constexpr unsigned kPageShift = 12;

// One vCPU of one domain.
struct VcpuRef {
  DomId dom;
  VcpuId vcpu;
  friend constexpr auto operator<=>(VcpuRef, VcpuRef) = default;
};

// What a guest-virtual access wants to do.
enum class Access : uint8_t { kRead, kWrite, kExecute };

}  // namespace xensim
