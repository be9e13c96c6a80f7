// What must always hold of the clocks and runstates that guests are shown; looked at while nobody is inside the core.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Remembers what it saw last, so that it notices what goes back.
class ClockInvariants {
 public:
  // A line for each broken one: runstate times add up to the time of the last change, none of them goes back, the state
  // goes with whether the vCPU may run; versions of time and wall clock were left even.
  void check(const Domain& domain, std::vector<std::string>& broken) XS_NO_THREAD_SAFETY_ANALYSIS;

 private:
  struct Seen {
    uint64_t entry_time_ns = 0;
    uint64_t time_shown_ns = 0;
    std::array<uint64_t, 4> time_ns{};
  };

  void check_vcpu(const Vcpu& vcpu, std::vector<std::string>& broken) XS_NO_THREAD_SAFETY_ANALYSIS;

  std::map<const Vcpu*, Seen> seen_;  // only ever looked up: a domain's number may be used anew
};

}  // namespace xensim::xen
