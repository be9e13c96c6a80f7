// Reports: the JSON object has the contract's keys, the exit status follows the result.
#include "sim/cli/report.h"

#include <doctest/doctest.h>

#include <set>

namespace xensim::sim {
namespace {

using Json = nlohmann::ordered_json;

Outcome sample_outcome() {
  Outcome outcome;
  outcome.console = {{DomId{1}, "a", "hello"}, {DomId{2}, "b", "\xff"}};
  outcome.ends = {{DomId{1}, "a", "poweroff"}, {DomId{2}, "b", "crash"}};
  outcome.instructions = 5;
  outcome.virtual_ns = 6;
  outcome.hypercalls = 7;
  outcome.trace_hash = "00000000000000ff";
  return outcome;
}

TEST_CASE("the JSON object has the contract's keys and no other") {
  Report report;
  set_outcome(report, sample_outcome());
  report.result = ReportResult::kFail;
  report.failure = Failure{FailureKind::kLostEvent, "port 5", "d1v0", "many\nlines"};
  report.schedules = 3;
  report.seed = 4;
  report.schedule = "x.schedule";
  const Json json = Json::parse(report_json("explore", report, 0.5));
  std::set<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.insert(key);
  CHECK(keys == std::set<std::string>{"command", "result", "trace_hash", "instructions", "virtual_ns", "hypercalls",
                                      "schedules", "seed", "schedule", "console", "failure", "wall_s"});
  CHECK(json["result"] == "fail");
  CHECK(json["console"] == Json::array({"a: hello", "b: \xef\xbf\xbd"}));
  CHECK(json["failure"] == Json{{"kind", "lost_event"}, {"message", "port 5"}, {"where", "d1v0"}});
  CHECK(json["wall_s"] == 0.5);
}

TEST_CASE("what does not apply is absent") {
  const Json json = Json::parse(report_json("version", Report{}, 0));
  CHECK(json.size() == 3);
  CHECK(json["result"] == "pass");
}

TEST_CASE("the exit status follows the result") {
  Report report;
  CHECK(exit_status(report) == 0);
  report.result = ReportResult::kSkipped;
  CHECK(exit_status(report) == 3);
  CHECK(exit_status(failed(FailureKind::kCheck, "x")) == 1);
  CHECK(failed(FailureKind::kDivergence, "x").result == ReportResult::kDiverged);
  CHECK(exit_status(failed(FailureKind::kDivergence, "x")) == 1);
}

TEST_CASE("an error is an object too") {
  const Json json = Json::parse(error_json("run", {ErrorKind::kEnvironment, "no engine"}, 0));
  CHECK(json["result"] == "error");
  CHECK(json["failure"]["kind"] == "environment");
  CHECK(json["failure"]["message"] == "no engine");
}

TEST_CASE("JUnit text is escaped") {
  const std::string text = report_junit("run", "a<b>&\"c\".toml", failed(FailureKind::kGuest, "x < y\x01"), 1.25);
  CHECK(text.find("name=\"a&lt;b&gt;&amp;&quot;c&quot;.toml\"") != std::string::npos);
  CHECK(text.find("failures=\"1\"") != std::string::npos);
  CHECK(text.find("message=\"x &lt; y?\"") != std::string::npos);
}

}  // namespace
}  // namespace xensim::sim
