// Every kernel on every platform and number of vCPUs, and work under them. Prints a table. No part of the default run.
#include <doctest/doctest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/boot/boot_log.h"
#include "tests/boot/kernels.h"
#include "tests/boot/work_check.h"
#include "tests/cli/program.h"

using namespace xensim;

namespace {

struct Row {
  const char* kernel;
  const char* platform;
  unsigned vcpus;
};

Ran boot(const Row& row) {
  return run_program({"boot", "--json", "--kernel", std::string("debian:") + row.kernel, "--platform", row.platform,
                      "--vcpus", std::to_string(row.vcpus), "--memory", row.vcpus > 4 ? "1G" : "512M", "--exec",
                      "cd /sys/devices/system/clocksource/clocksource0; echo clock: $(cat current_clocksource)\n"
                      "echo cpus: $(grep -c ^processor /proc/cpuinfo); cat /proc/interrupts; exit 3"});
}

// Which of the lines that a good boot shows are missing; empty: none.
std::string missing(const std::vector<std::string>& console, const Row& row) {
  std::vector<std::string> wanted = {"Hypervisor detected: Xen HVM", "clock: xen", "cpus: " + std::to_string(row.vcpus),
                                     "xen-percpu -virq timer0", "HYP:"};
  if (std::string(row.platform) == "pvh") wanted.push_back("Booting kernel on Xen PVH");
  if (row.vcpus > 1) wanted.push_back("xen-percpu -ipi resched1");
  std::string text;
  for (const std::string& line : wanted) {
    // Columns are as wide as the widest: blanks do not count.
    const auto found = [&](std::string hay) {
      for (size_t at; (at = hay.find("  ")) != std::string::npos;) hay.erase(at, 1);
      return hay.find(line) != std::string::npos;
    };
    if (std::none_of(console.begin(), console.end(), found)) text += line + "; ";
  }
  return text;
}

// On two vCPUs, for which there is a recording of Xen: the same interrupts and no complaint of ours alone. On others:
// no complaint of the grave kinds, of which Xen's guest has none.
std::string unlike_xen(const std::vector<std::string>& console, const Row& row) {
  const auto on_xen = lines_of(read_text(std::string(XENSIM_SOURCE_DIR "/tests/boot/") + row.kernel + ".xen.txt"));
  if (std::string(row.platform) != "pvh" || row.vcpus != 2) return joined(alone(grave(console), grave(on_xen)));
  std::string text = joined(alone(troubles(console), troubles(on_xen)));
  if (interrupts(console) != interrupts(on_xen)) text += "other interrupts:\n" + joined(interrupts(console));
  return text;
}

void check(const Row& row) {
  const Ran ran = boot(row);
  std::string virtual_time = "-";
  std::string said = "status " + std::to_string(ran.status);
  if (ran.status == 3) {
    const auto report = nlohmann::json::parse(ran.out);
    const auto console = console_of(ran.out);
    const std::string lacks = missing(console, row), more = unlike_xen(console, row);
    CHECK(lacks == "");
    CHECK(more == "");
    said = lacks.empty() && more.empty() ? "as it should be" : "unlike Xen";
    virtual_time = std::to_string(report["virtual_ns"].get<uint64_t>() / 1000000) + " ms";
  }
  CHECK_MESSAGE(ran.status == 3, ran.err);
  std::printf("%-10s %-8s %5u   %9s   %s\n", row.kernel, row.platform, row.vcpus, virtual_time.c_str(), said.c_str());
  std::fflush(stdout);
}

void check_all(const char* kernel) {
  if (!have_kernel(kernel)) return;
  for (const char* platform : {"pvh", "pc"}) {
    for (const unsigned vcpus : {1u, 2u, 4u}) check({kernel, platform, vcpus});
  }
}

}  // namespace

TEST_CASE("every kernel on every platform and number of vCPUs") {
  for (const char* kernel : {"6.1-cloud", "6.1", "6.12-cloud", "6.12"}) check_all(kernel);
  if (have_kernel("6.1-cloud")) check({"6.1-cloud", "pvh", 16});
}

TEST_CASE("work under other kernels and on other numbers of vCPUs") {
  if (have_kernel("6.1-cloud")) {
    check_work("6.1-cloud", 1, "pvh");
    check_work("6.1-cloud", 4, "pc");
  }
  if (have_kernel("6.12")) check_work("6.12", 4, "pvh");
}
