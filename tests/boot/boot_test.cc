// Debian's kernels as Xen guests: to a shell's prompt and to a command's status, the same twice.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/boot/kernels.h"
#include "tests/cli/program.h"

using namespace xensim;

namespace {

bool have(const std::string& kernel) {
  const std::string why = fetch_kernel(kernel);
  if (!why.empty()) MESSAGE("skipped: " << why);
  return why.empty();
}

std::string console_of(const nlohmann::json& report) {
  std::string text;
  for (const auto& line : report["console"]) text += line.get<std::string>() + "\n";
  return text;
}

bool has(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("6.1 boots as a PVH guest of Xen on two vCPUs, a second boot is the same to the bit") {
  if (!have("6.1-cloud")) return;
  const std::vector<std::string> args = {"boot",    "--json", "--kernel", "debian:6.1-cloud",
                                         "--vcpus", "2",      "--exec",   "cat /proc/interrupts; dmesg; exit 3"};
  const Ran first = run_program(args);
  REQUIRE(first.status == 3);
  const auto report = nlohmann::json::parse(first.out);
  const std::string text = console_of(report);
  CHECK(has(text, "Booting kernel on Xen PVH"));
  CHECK(has(text, "Switched to clocksource xen"));
  CHECK(has(text, "xen-dyn"));
  CHECK(has(text, "timer0"));
  CHECK(has(text, "resched1"));
  CHECK(has(text, "smp: Brought up 1 node, 2 CPUs"));
  for (const char* bad : {"WARNING: CPU", "BUG:", "detected stall", "Oops", "Call Trace"})
    CHECK_MESSAGE(!has(text, bad), bad);

  const auto again = nlohmann::json::parse(run_program(args).out);
  CHECK(again["trace_hash"] == report["trace_hash"]);
  CHECK(again["console"] == report["console"]);
}
