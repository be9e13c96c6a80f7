// The scenario that a trace was made of, ready to be run again.
#pragma once

#include "models/base/result.h"
#include "sim/scenario/scenario.h"
#include "traces/trace_info.h"

namespace xensim::sim {

// kInput: an image is gone or has changed since (both hashes are named), or the header's scenario is none. `trace_path`
// is for messages.
Result<Scenario> scenario_of_trace(const std::string& trace_path, const traces::TraceInfo& info);

}  // namespace xensim::sim
