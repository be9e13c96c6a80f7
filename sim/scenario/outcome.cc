// See outcome.h.
#include "sim/scenario/outcome.h"

namespace xensim::sim {

const char* failure_kind_name(FailureKind kind) {
  switch (kind) {
    case FailureKind::kGuest: return "guest";
    case FailureKind::kInvariant: return "invariant";
    case FailureKind::kCheck: return "check";
    case FailureKind::kDeadlock: return "deadlock";
    case FailureKind::kLostEvent: return "lost_event";
    case FailureKind::kNoProgress: return "no_progress";
    case FailureKind::kRace: return "race";
    case FailureKind::kDivergence: return "divergence";
    case FailureKind::kExpectation: return "expectation";
  }
  return "unknown";
}

}  // namespace xensim::sim
