// Replay at the core: feeds a trace's entries to a fresh core, answers what it reads from the trace, and compares every
// effect. No CPU, no guest memory, no clock: the trace is the world.
//
// Each entry runs on its actor's fiber. A call of the core whose event is not the next in the trace waits until it is;
// so all interleavings inside the core, locks among them, go as recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "models/xen/api/core.h"
#include "traces/trace_file.h"

namespace xensim::sim {

// Where the core did something else than the trace says.
struct Divergence {
  uint64_t index = 0;  // of the event in the trace
  std::string actor;
  VirtualNs time{};
  std::string expected;             // the event in the trace
  std::string got;                  // what the core did
  std::string difference;           // the first field that differs, in words
  std::vector<std::string> before;  // the last events that were the same
};

struct ReplayOutcome {
  uint64_t verified = 0;  // entries, returns and calls of the core that were as recorded
  uint64_t skipped = 0;   // the machine's own events
  std::optional<Divergence> divergence;
  std::optional<std::string> check_failure;  // the core's own XS_CHECK failed, and where
  unsigned in_flight = 0;                    // entries that the trace does not finish
  std::string trace_problem;                 // the trace is not whole
  bool out_of_time = false;                  // the caller's `out_of_time` ended it
};

using MakeCore = std::function<xen::CoreInstance(xen::Platform&, const xen::Flavour&)>;

// `make_core` is xen::make_core (or a test's). kInput: the trace asks for what no recording holds (a vCPU that was
// never made, calls that are not nested), or for traits that are not known here. `out_of_time` is asked now and then;
// where it says yes the replay ends; empty: it ends with the trace.
Result<ReplayOutcome> replay_at_core(traces::TraceReader& reader, const MakeCore& make_core,
                                     const std::function<bool()>& out_of_time = {});

// The divergence in lines for a person.
std::string describe_divergence(const Divergence& divergence);

}  // namespace xensim::sim
