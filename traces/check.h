// `trace check`: is a trace file whole, and what a recorder writes?
#pragma once

#include <string>
#include <vector>

#include "traces/trace_file.h"

namespace xensim::traces {

struct TraceCheck {
  std::vector<std::string> problems;  // a line each; empty: all is well
  uint64_t events = 0;
  uint64_t chunks = 0;
  uint64_t bytes = 0;  // of the file, as far as it is whole
  TraceHash hash;
  std::string result;  // as the trace's end says
};

// Beyond what reading verifies (checksums, sizes, order of chunks, number of events, trace hash): calls into the core
// are well nested for each actor, the core calls out from inside an entry alone, time does not run backwards, and the
// events encode to the hash again. At most the first 20 problems of events.
TraceCheck check_trace(TraceReader& reader);

}  // namespace xensim::traces
