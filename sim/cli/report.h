// Report: what a command came to. The exit status, the JSON object and the last words on the terminal are made from it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"
#include "sim/scenario/outcome.h"

namespace xensim::sim {

enum class ReportResult {
  kPass,      // as expected: status 0
  kFail,      // a failure was found: status 1
  kDiverged,  // a replay went another way: status 1
  kSkipped,   // not possible on this machine, `why` says the reason: status 3
};

struct Report {
  ReportResult result = ReportResult::kPass;
  std::optional<int> status;  // the exit status, where it is not the result's: that of a guest's own command
  std::string why;            // skipped
  std::optional<Failure> failure;
  std::string reproduce;  // a command line; printed last where the result is kFail or kDiverged

  // Keys of the JSON object, where they apply.
  std::optional<std::string> trace_hash;
  std::optional<uint64_t> instructions, virtual_ns, hypercalls, schedules, seed;
  std::optional<std::string> schedule;  // a path
  std::optional<std::vector<std::string>> console;
  std::optional<nlohmann::ordered_json> items;  // what `list` and `doctor` list, `trace` shows
};

// A report with a failure of one line.
Report failed(FailureKind kind, std::string message, std::string where = {});
// Fills the keys that one execution has.
void set_outcome(Report& report, const Outcome& outcome);

int exit_status(const Report& report);
// The one object of --json; `wall_s` in seconds.
std::string report_json(std::string_view command, const Report& report, double wall_s);
// The same for a user's or host's mistake: result `error`.
std::string error_json(std::string_view command, const Error& error, double wall_s);
// A JUnit file with one test case.
std::string report_junit(std::string_view command, std::string_view subject, const Report& report, double wall_s);

}  // namespace xensim::sim
