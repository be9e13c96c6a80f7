// Debian's kernels as Xen guests: to a shell's prompt and to a command's status, the same twice.
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/boot/boot_log.h"
#include "tests/boot/kernels.h"
#include "tests/boot/trace_change.h"
#include "tests/cli/program.h"

using namespace xensim;

namespace {

// What `trace info` says behind `key`, with which a line begins; empty: nothing.
std::string field(const std::vector<std::string>& info, const std::string& key) {
  for (const std::string& line : info) {
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return {};
}

// The trace's hash, where one is recorded of these files and this engine: rows "engine, kernel, busybox, hash".
void check_golden(const std::string& trace) {
  const auto info = lines_of(run_program({"trace", "info", trace}).out);
  const std::string key = field(info, "engine: ") + ", " + field(info, "image: d1 ").substr(0, 16) + ", " +
                          field(info, "image: d0 ").substr(0, 16) + ", ";
  for (const std::string& row : lines_of(read_text(XENSIM_SOURCE_DIR "/tests/boot/golden.txt"))) {
    if (row.starts_with(key)) {
      CHECK(row.substr(key.size()) == field(info, "trace hash: "));
      return;
    }
  }
  MESSAGE("no golden hash is recorded for " << key << "which gave " << field(info, "trace hash: "));
}

// A scenario of 6.1-cloud with a shell at which "typed 42" is made at one time, and the end at another; `keys` are more
// of the guest's. Gives its path.
std::string typed_scenario(const std::string& name, const std::string& keys, const std::string& typed,
                           const std::string& end) {
  const std::string cache = kernel_cache();
  return scratch_file(name, "[[guest]]\nimage = \"" + cache + "/6.1-cloud/vmlinuz\"\nbusybox = \"" + cache +
                                "/busybox\"\n" + keys + "\nmemory = \"128M\"\ncmdline = \"console=hvc0 quiet\"\n" +
                                "[machine]\ntime_limit = \"20s\"\n" + "[[input]]\nat = \"" + typed +
                                "\"\ntext = \"echo typed $((6*7))\\n\"\n" + "[[input]]\nat = \"" + end +
                                "\"\ntext = \"poweroff -f\\n\"\n");
}

}  // namespace

TEST_CASE(
    "6.1 boots as a PVH guest on two vCPUs as on the real Xen, a second one by the engine alone is the same to the "
    "bit") {
  if (!have_kernel("6.1-cloud")) return;
  const std::string trace = scratch_folder() + "/boot.trace";
  std::vector<std::string> args = {"boot",     "--json", "--kernel", "debian:6.1-cloud",
                                   "--vcpus",  "2",      "--exec",   "cat /proc/interrupts; exit 3",
                                   "--record", trace};
  const Ran first = run_program(args);
  REQUIRE_MESSAGE(first.status == 3, first.err);
  const auto report = nlohmann::json::parse(first.out);
  const auto console = console_of(first.out);
  CHECK(has(console, "Booting kernel on Xen PVH"));
  CHECK(has(console, "xen:events: Using FIFO-based ABI"));
  CHECK(has(console, "Switched to clocksource xen"));
  CHECK(has(console, "smp: Brought up 1 node, 2 CPUs"));

  // The same interrupts under the same numbers as on Xen, and no complaint that is not made there too.
  const auto on_xen = lines_of(read_text(XENSIM_SOURCE_DIR "/tests/boot/6.1-cloud.xen.txt"));
  CHECK(joined(interrupts(console)) == joined(interrupts(on_xen)));
  CHECK(joined(alone(troubles(console), troubles(on_xen))) == "");
  check_golden(trace);
  check_core_replay(trace);

  args.resize(args.size() - 2);
  args.insert(args.end(), {"--engine", "plain"});
  const auto again = nlohmann::json::parse(run_program(args).out);
  CHECK(again["trace_hash"] == report["trace_hash"]);
  CHECK(again["console"] == report["console"]);
}

TEST_CASE(
    "what is typed on a kernel's console is recorded, and comes again where the trace is replayed and run again") {
  if (!have_kernel("6.1-cloud")) return;
  const std::string scenario = typed_scenario("typed.toml", "platform = \"pvh\"", "2500ms", "2800ms");
  const std::string trace = scratch_folder() + "/typed.trace";
  const Ran ran = run_program({"run", "--json", scenario, "--record", trace});
  REQUIRE_MESSAGE(ran.status == 0, ran.err);
  CHECK(has(console_of(ran.out), "typed 42"));
  CHECK(lines_of(run_program({"trace", "show", trace, "--kind", "input"}).out).size() == 2);
  for (const char* on : {"core", "soft"}) {
    CAPTURE(on);
    const Ran replayed = run_program({"replay", trace, "--on", on});
    CHECK_MESSAGE(replayed.status == 0, replayed.err);
  }
}

TEST_CASE("a kernel that does not fit the guest's memory is refused") {
  if (!have_kernel("6.1-cloud")) return;
  const Ran refused = run_program({"boot", "--kernel", "debian:6.1-cloud", "--memory", "16M", "--exec", "true"});
  CHECK(refused.status == 2);
  CHECK(lines_of(refused.err).size() == 1);
  CHECK(refused.err.find("(--memory)") != std::string::npos);
}

TEST_CASE("a PC on two vCPUs, saved in the middle and restored, ends as the one that ran through") {
  if (!have_kernel("6.1-cloud")) return;
  const std::string scenario = typed_scenario("pc.toml", "platform = \"pc\"\nvcpus = 2", "3500ms", "3800ms");
  const std::string file = scratch_folder() + "/pc.snap";
  const Ran ran = run_program({"run", "--json", scenario});
  REQUIRE_MESSAGE(ran.status == 0, ran.err);
  const Ran saved = run_program({"run", "--json", scenario, "--snapshot-at", "3100ms", "--save", file});
  REQUIRE_MESSAGE(saved.status == 0, saved.err);
  const Ran restored = run_program({"run", "--json", "--restore", file});
  REQUIRE_MESSAGE(restored.status == 0, restored.err);
  const auto whole = nlohmann::json::parse(ran.out), rest = nlohmann::json::parse(restored.out);
  CHECK(has(console_of(ran.out), "typed 42"));
  // The hash is over all events, those before the snapshot too, and over the memory that the guest leaves behind.
  for (const char* key : {"trace_hash", "console", "instructions", "virtual_ns", "hypercalls"}) {
    CAPTURE(key);
    CHECK(rest[key] == whole[key]);
  }
}

TEST_CASE("a kernel saved at its shell's prompt runs what it is told to, as often as one likes") {
  if (!have_kernel("6.1-cloud")) return;
  const std::string file = scratch_folder() + "/shell.snap";
  const Ran saved = run_program({"boot", "--json", "--kernel", "debian:6.1-cloud", "--vcpus", "2", "--append", "quiet",
                                 "--snapshot-at", "SHELL", "--save", file});
  REQUIRE_MESSAGE(saved.status == 0, saved.err);
  const std::string bytes = read_text(file);
  CHECK(bytes.size() < size_t{48} << 20);
  const auto exec = [&](const std::string& command) {
    return run_program({"boot", "--json", "--restore", file, "--exec", command});
  };
  const Ran first = exec("echo 'it'\\''s' $((6*7)); nproc; exit 4");
  REQUIRE_MESSAGE(first.status == 4, first.err);
  const auto report = nlohmann::json::parse(first.out);
  const auto console = console_of(first.out);
  CHECK(has(console, "it's 42"));
  CHECK(std::find(console.begin(), console.end(), "2") != console.end());
  CHECK(nlohmann::json::parse(exec("echo 'it'\\''s' $((6*7)); nproc; exit 4").out)["trace_hash"] ==
        report["trace_hash"]);
  const Ran other = exec("seq 1 500 | md5sum");
  CHECK(other.status == 0);
  CHECK(has(console_of(other.out), "5705e3c0d0044b724281f9bcc7520d3a"));
  const std::string cut = scratch_file("cut.snap", bytes.substr(0, bytes.size() / 2));
  const Ran refused = run_program({"boot", "--restore", cut, "--exec", "true"});
  CHECK(refused.status == 2);
  CHECK(lines_of(refused.err).size() == 1);
  CHECK(refused.err.find("cut.snap: truncated at offset " + std::to_string(bytes.size() / 2)) != std::string::npos);
}
