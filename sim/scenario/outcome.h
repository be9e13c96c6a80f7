// Outcome: what one execution of a scenario came to; every report (text, JSON, exit status) is made from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/base/types.h"

namespace xensim::sim {

// What counts as a failure (docs: the command line's contract).
enum class FailureKind {
  kGuest,
  kInvariant,
  kCheck,
  kDeadlock,
  kLostEvent,
  kNoProgress,
  kRace,
  kDivergence,
  kExpectation
};

struct Failure {
  FailureKind kind;
  std::string message;  // one line
  std::string where;    // d1v0 rip symbol, or a port, or a file
  std::string report;   // many lines: registers, stack, last events of each vCPU; may be empty
};

struct ConsoleLine {
  DomId dom;
  std::string guest;
  std::string text;
};

struct DomainEnd {
  DomId dom;
  std::string guest;
  std::string how;  // poweroff, reboot, crash, suspend, watchdog, soft-reset, still running
};

struct Outcome {
  std::optional<Failure> failure;
  std::vector<ConsoleLine> console;
  std::vector<DomainEnd> ends;
  uint64_t instructions = 0;
  uint64_t virtual_ns = 0;
  uint64_t hypercalls = 0;
  uint64_t points = 0;                // scheduling points passed
  uint64_t switches = 0;              // times another actor was chosen
  std::optional<uint32_t> test_exit;  // what a guest wrote to the test-exit port
  std::string trace_hash;             // hex; empty where nothing was hashed
  bool wall_limited = false;          // a WallLimit ended it: that is `failure`
  bool stopped = false;               // its strategy ended it: nothing is said of how the guests would have gone on
  bool became_fair = false;           // it passed as many points as it may under its strategy
  bool marker_missed = false;         // no guest came to the marker where the search was to begin
  bool saved = false;                 // it ended where it was saved, as was asked for
};

const char* failure_kind_name(FailureKind kind);

}  // namespace xensim::sim
