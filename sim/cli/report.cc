// See report.h.
#include "sim/cli/report.h"

#include <fmt/format.h>

namespace xensim::sim {

namespace {

using Json = nlohmann::ordered_json;

const char* result_name(ReportResult result) {
  switch (result) {
    case ReportResult::kPass: return "pass";
    case ReportResult::kFail: return "fail";
    case ReportResult::kDiverged: return "diverged";
    case ReportResult::kSkipped: return "skipped";
  }
  return "error";
}

template <class T>
void put(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

// Bytes that are no UTF-8 (a guest's console) become U+FFFD.
std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return out;
}

}  // namespace

Report failed(FailureKind kind, std::string message, std::string where) {
  Report report;
  report.result = kind == FailureKind::kDivergence ? ReportResult::kDiverged : ReportResult::kFail;
  report.failure = Failure{kind, std::move(message), std::move(where), {}};
  return report;
}

void set_outcome(Report& report, const Outcome& outcome) {
  report.failure = outcome.failure;
  if (outcome.failure) report.result = ReportResult::kFail;
  if (!outcome.trace_hash.empty()) report.trace_hash = outcome.trace_hash;
  report.instructions = outcome.instructions;
  report.virtual_ns = outcome.virtual_ns;
  report.hypercalls = outcome.hypercalls;
  report.console.emplace();
  for (const ConsoleLine& line : outcome.console) {
    report.console->push_back(outcome.ends.size() > 1 ? line.guest + ": " + line.text : line.text);
  }
}

int exit_status(const Report& report) {
  if (report.status) return *report.status;
  switch (report.result) {
    case ReportResult::kPass: return 0;
    case ReportResult::kFail:
    case ReportResult::kDiverged: return 1;
    case ReportResult::kSkipped: return static_cast<int>(ErrorKind::kEnvironment);
  }
  return 1;
}

std::string report_json(std::string_view command, const Report& report, double wall_s) {
  Json json;
  json["command"] = command;
  json["result"] = result_name(report.result);
  if (!report.why.empty()) json["why"] = report.why;
  put(json, "trace_hash", report.trace_hash);
  put(json, "instructions", report.instructions);
  put(json, "virtual_ns", report.virtual_ns);
  put(json, "hypercalls", report.hypercalls);
  put(json, "schedules", report.schedules);
  put(json, "seed", report.seed);
  put(json, "schedule", report.schedule);
  put(json, "console", report.console);
  put(json, "items", report.items);
  if (report.failure) {
    json["failure"] = {{"kind", failure_kind_name(report.failure->kind)},
                       {"message", report.failure->message},
                       {"where", report.failure->where}};
  }
  json["wall_s"] = wall_s;
  return dump(json);
}

std::string error_json(std::string_view command, const Error& error, double wall_s) {
  Json json;
  json["command"] = command;
  json["result"] = "error";
  json["failure"] = {
      {"kind", error.kind == ErrorKind::kInput ? "input" : "environment"}, {"message", error.message}, {"where", ""}};
  json["wall_s"] = wall_s;
  return dump(json);
}

std::string report_junit(std::string_view command, std::string_view subject, const Report& report, double wall_s) {
  const bool fails = exit_status(report) == 1;
  const bool skipped = report.result == ReportResult::kSkipped;
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuite name=\"xensim {0}\" tests=\"1\" failures=\"{1}\" skipped=\"{2}\" time=\"{3:.3f}\">\n"
      "  <testcase classname=\"{0}\" name=\"{4}\" time=\"{3:.3f}\"",
      xml(command), fails ? 1 : 0, skipped ? 1 : 0, wall_s, xml(subject));
  if (fails && report.failure) {
    text += fmt::format(">\n    <failure type=\"{}\" message=\"{}\">{}</failure>\n  </testcase>\n",
                        failure_kind_name(report.failure->kind), xml(report.failure->message),
                        xml(report.failure->report + report.reproduce));
  } else if (skipped) {
    text += fmt::format(">\n    <skipped message=\"{}\"/>\n  </testcase>\n", xml(report.why));
  } else {
    text += "/>\n";
  }
  return text + "</testsuite>\n";
}

}  // namespace xensim::sim
