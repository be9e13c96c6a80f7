// See groups.h.
#include "models/viridian/groups.h"

#include <array>

namespace xensim::viridian {
namespace {

constexpr std::array kNames = {GroupName{"base", kBase},
                               GroupName{"freq", kFreq},
                               GroupName{"time_ref_count", kTimeRefCount},
                               GroupName{"reference_tsc", kReferenceTsc},
                               GroupName{"hcall_remote_tlb_flush", kHcallRemoteTlbFlush},
                               GroupName{"apic_assist", kApicAssist},
                               GroupName{"crash_ctl", kCrashCtl},
                               GroupName{"hcall_ipi", kHcallIpi},
                               GroupName{"no_vp_limit", kNoVpLimit},
                               GroupName{"cpu_hotplug", kCpuHotplug},
                               GroupName{"defaults", kDefaults}};

}  // namespace

std::span<const GroupName> group_names() { return kNames; }

}  // namespace xensim::viridian
