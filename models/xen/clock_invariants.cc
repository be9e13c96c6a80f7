#include "models/xen/clock_invariants.h"

#include <fmt/format.h>

#include <numeric>

#include "models/xen/abi/public.h"

namespace xensim::xen {

void ClockInvariants::check(const Domain& domain, std::vector<std::string>& broken) {
  if (domain.wallclock_version % 2 != 0)
    broken.push_back(fmt::format("domain {}: the wall clock was left half written", domain.id().v));
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) check_vcpu(*domain.vcpu(number), broken);
}

void ClockInvariants::check_vcpu(const Vcpu& vcpu, std::vector<std::string>& broken) {
  const auto complain = [&](const char* what) {
    broken.push_back(fmt::format("d{}v{}: {}", vcpu.ref().dom.v, vcpu.id().v, what));
  };
  const Runstate& runstate = vcpu.runstate;
  Seen& seen = seen_[&vcpu];

  if (runstate.state > RUNSTATE_offline) complain("no such runstate");
  const bool runnable = vcpu.blocked.peek() == 0 && vcpu.down.peek() == 0;
  if (runnable != (runstate.state <= RUNSTATE_runnable)) complain("its runstate does not go with whether it may run");
  const uint64_t sum = std::accumulate(runstate.time_ns.begin(), runstate.time_ns.end(), uint64_t{0});
  if (sum != runstate.entry_time_ns) complain("its runstate times do not add up to the time of the last change");
  if (runstate.entry_time_ns < seen.entry_time_ns) complain("its runstate entry time went back");
  for (size_t state = 0; state < runstate.time_ns.size(); ++state) {
    if (runstate.time_ns[state] < seen.time_ns[state]) complain("a runstate time went back");
  }
  if (vcpu.time_version.load(std::memory_order_relaxed) % 2 != 0) complain("its time was left half written");
  if (vcpu.time_written_ns < seen.time_shown_ns) complain("the time that it is shown went back");
  seen = {runstate.entry_time_ns, vcpu.time_written_ns, runstate.time_ns};
}

}  // namespace xensim::xen
