// `trace diff`: where two traces part, in words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "traces/event.h"
#include "traces/trace_info.h"

namespace xensim::traces {

struct TraceDifference {
  uint64_t index = 0;               // of the first event that differs
  std::string what;                 // `field 'value': 0x20 and 0x0`, `the first trace ends here`
  std::string first, second;        // the event in each, or empty where that trace has ended
  std::vector<std::string> before;  // the last events that they have in common
};

struct TraceComparison {
  std::vector<std::string> headers;  // how the headers differ, a line each; empty: they say the same
  uint64_t common = 0;               // events that are the same
  std::optional<TraceDifference> difference;
  std::vector<std::string> problems;  // of traces that are not whole
};

// Reads both side by side. Errors are those of opening.
xensim::Result<TraceComparison> compare_traces(const std::string& first, const std::string& second);

// The same in lines for a person; both names are as the user gave them.
std::string describe_comparison(const TraceComparison& comparison, const std::string& first, const std::string& second);

// nullopt: the same event. Otherwise the first part that differs, in words.
std::optional<std::string> event_difference(const Event& first, const Event& second,
                                            const std::vector<ActorInfo>& actors);

}  // namespace xensim::traces
