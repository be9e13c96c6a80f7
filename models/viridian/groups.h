// What a guest may be given of Microsoft's interface (xl.cfg(5), viridian=).
#pragma once

#include <cstdint>
#include <span>

namespace xensim::viridian {

// Groups of enlightenments, a bit each; names as in xl.cfg(5).
enum Group : uint32_t {
  kBase = 1u << 0,  // hypercall, VP index and local APIC registers; all others need it
  kFreq = 1u << 1,
  kTimeRefCount = 1u << 2,
  kReferenceTsc = 1u << 3,
  kHcallRemoteTlbFlush = 1u << 4,
  kApicAssist = 1u << 5,
  kCrashCtl = 1u << 6,
  kHcallIpi = 1u << 7,
  kNoVpLimit = 1u << 8,
  kCpuHotplug = 1u << 9,
};
// `viridian=1`.
inline constexpr uint32_t kDefaults =
    kBase | kFreq | kTimeRefCount | kApicAssist | kCrashCtl | kNoVpLimit | kCpuHotplug;

struct GroupName {
  const char* name;
  uint32_t groups;
};
// What a list of groups may name, "defaults" among it.
std::span<const GroupName> group_names();

}  // namespace xensim::viridian
