// A run's end by the host's clock.
#include <fmt/format.h>

#include "sim/machine/machine.h"
#include "traces/describe.h"

namespace xensim::sim {

void Machine::fail_by_wall_limit() {
  if (!outcome_.failure) outcome_.wall_limited = true;
  fail(FailureKind::kNoProgress,
       fmt::format("the wall limit of {} is over, at {} of virtual time", options_.wall->words(),
                   traces::describe_time(time())),
       current_ != nullptr ? current_->label : "", current_ != nullptr ? backend_.vcpu_report(*current_) : "");
}

// Every turn of a plain run is long beside a look at the clock; points of an exploration are not.
bool Machine::wall_is_over() {
  constexpr uint64_t kPointsBetween = 1024;
  if (exploring() && outcome_.points % kPointsBetween != 0) return false;
  if (options_.wall->ns_left() != 0) return false;
  fail_by_wall_limit();
  return true;
}

}  // namespace xensim::sim
