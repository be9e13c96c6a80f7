// See outcome_fields.h.
#include "sim/machine/outcome_fields.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kMostLines = 1 << 24, kMostText = 1 << 28;

void failure_fields(StateArchive& ar, Failure& failure) {
  ar.one_of("kind", failure.kind, FailureKind::kExpectation);
  ar("message", failure.message, kMostText);
  ar("where", failure.where, kMostText);
  ar("report", failure.report, kMostText);
}

}  // namespace

void outcome_fields(StateArchive& ar, Outcome& outcome) {
  bool failed = outcome.failure.has_value();
  ar("failed", failed);
  if (ar.loading() && failed) outcome.failure.emplace();
  if (failed) failure_fields(ar, *outcome.failure);
  ar.each("console", outcome.console, kMostLines, [&](ConsoleLine& line) {
    ar("dom", line.dom);
    ar("guest", line.guest, kMostText);
    ar("text", line.text, kMostText);
  });
  ar.each("ends", outcome.ends, kMostLines, [&](DomainEnd& end) {
    ar("dom", end.dom);
    ar("guest", end.guest, kMostText);
    ar("how", end.how, kMostText);
  });
  ar("instructions", outcome.instructions);
  ar("virtual_ns", outcome.virtual_ns);
  ar("hypercalls", outcome.hypercalls);
  ar("points", outcome.points);
  ar("switches", outcome.switches);
  ar("test_exit", outcome.test_exit);
  ar("trace_hash", outcome.trace_hash, kMostText);
  ar("wall_limited", outcome.wall_limited);
  ar("stopped", outcome.stopped);
  ar("marker_missed", outcome.marker_missed);
  ar("became_fair", outcome.became_fair);
  ar("saved", outcome.saved);
}

}  // namespace xensim::sim
