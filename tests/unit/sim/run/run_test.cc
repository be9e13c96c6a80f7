// What an ELF without a scenario is given, and how runs end whose guest does not end them.
#include "sim/run/run.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "sim/scenario/scenario_toml.h"
#include "traces/trace_file.h"

namespace xensim::sim {
namespace {

const std::string kGuests = XENSIM_BINARY_DIR "/guests/";

Outcome run(const std::string& guest, const Overrides& overrides, RunOptions options = {}) {
  auto scenario = load_scenario(kGuests + guest, ImagePaths{kGuests}, overrides);
  REQUIRE_MESSAGE(scenario.has_value(), scenario.error().message);
  options.explain = false;
  auto outcome = run_scenario(*scenario, options);
  REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
  return *outcome;
}

std::vector<std::string> lines_of(const Outcome& outcome) {
  std::vector<std::string> lines;
  for (const ConsoleLine& line : outcome.console) lines.push_back(line.text);
  return lines;
}

// Without a vector callback KVM wakes no poller, but QEMU has answered before the guest gets to its poll.
TEST_CASE("a guest that polls for xenstore's answer gets it, under each flavour") {
  for (const char* flavour : {"xen", "kvm"}) {
    CAPTURE(flavour);
    const Outcome outcome = run("toolstack_polls.elf", {{"machine.flavour", flavour}});
    CHECK_FALSE(outcome.failure.has_value());
    CHECK(lines_of(outcome).back() == "success");
  }
}

TEST_CASE("an ELF is given what xl create gives a PVH guest, and all that it prints comes once") {
  for (const char* guest : {"toolstack", "toolstack32"}) {
    for (const char* flavour : {"xen", "kvm"}) {
      CAPTURE(guest);
      CAPTURE(flavour);
      std::string bytes;
      RunOptions options;
      options.on_console_bytes = [&](std::string_view text) { bytes += text; };
      const Outcome outcome = run(guest + std::string(".elf"), {{"machine.flavour", flavour}}, options);
      CHECK_FALSE(outcome.failure.has_value());
      CHECK(lines_of(outcome) == std::vector<std::string>{"port 0xe9; ACPI: yes; modules: 0", "port 0x12", "8250",
                                                          "PV console", "my name is " + std::string(guest), "success"});
      CHECK(bytes.find("port 0x12\r\n8250\r\nPV console\r\nmy name is") != std::string::npos);
    }
  }
}

TEST_CASE("a module is given where one is named") {
  const Outcome outcome = run("toolstack.elf", {{"guest.0.initrd", "hello.elf"}});
  REQUIRE_FALSE(outcome.console.empty());
  CHECK(outcome.console[0].text == "port 0xe9; ACPI: yes; modules: 1");
}

TEST_CASE("a bare machine is had by its key, and a scenario's guests are bare without it") {
  const Outcome outcome = run("toolstack.elf", {{"guest.0.platform", "bare"}});
  REQUIRE(outcome.console.size() == 4);
  CHECK(outcome.console[0].text == "port 0xe9; ACPI: no; modules: 0");
  CHECK(outcome.console[3].text == "skip: no ring: parameter 17 is 0");
  const auto scenario = parse_scenario("some.toml", "[[guest]]\nimage = \"guest:hello\"\n", ImagePaths{kGuests}, {});
  REQUIRE(scenario.has_value());
  CHECK(scenario->guests[0].platform == GuestPlatform::kBare);
  CHECK(scenario->guests[0].serial);
}

TEST_CASE("a guest that only yields comes to its time limit in few steps, to the nanosecond the same each time") {
  for (const char* flavour : {"xen", "kvm"}) {
    CAPTURE(flavour);
    const Overrides overrides = {{"machine.flavour", flavour}, {"machine.time_limit", "10s"}};
    const Outcome outcome = run("yields.elf", overrides);
    REQUIRE(outcome.failure.has_value());
    CHECK(outcome.failure->kind == FailureKind::kNoProgress);
    CHECK(outcome.virtual_ns > 10'000'000'000);
    CHECK(outcome.virtual_ns < 10'001'000'000);
    CHECK(outcome.hypercalls > 64);
    CHECK(outcome.hypercalls < 110'000);
    CHECK(run("yields.elf", overrides).trace_hash == outcome.trace_hash);
  }
}

class Clock final : public WallLimit {
 public:
  uint64_t ns_left() const override {
    const auto left = end_ - std::chrono::steady_clock::now();
    return left.count() <= 0 ? 0 : static_cast<uint64_t>(left.count());
  }
  const std::string& words() const override { return words_; }

 private:
  std::string words_ = "300ms";
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
};

TEST_CASE(
    "the wall limit ends what nothing else does: guests that spin, that call, on both backends, and traces hold") {
  for (const BackendKind backend : {BackendKind::kSoft, BackendKind::kNative}) {
    for (const char* guest : {"yields_spins", "yields_calls"}) {
      CAPTURE(backend_name(backend));
      CAPTURE(guest);
      const Clock clock;
      const std::string text =
          "[machine]\nbackends = [\"soft\", \"native\"]\ntime_limit = \"1000s\"\n[[guest]]\nimage = \"guest:" +
          std::string(guest) + "\"\nmemory = \"4M\"\n";
      const auto scenario = parse_scenario("some.toml", text, ImagePaths{kGuests}, {});
      REQUIRE(scenario.has_value());
      RunOptions options;
      options.backend = backend;
      options.wall = &clock;
      options.record_path = XENSIM_BINARY_DIR "/wall_limit.trace";
      const auto outcome = run_scenario(*scenario, options);
      REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
      REQUIRE(outcome->failure.has_value());
      // A native guest that calls may come to its points' limit before.
      CHECK(outcome->failure->kind == FailureKind::kNoProgress);
      if (outcome->wall_limited) CHECK(outcome->failure->message.starts_with("the wall limit of 300ms is over, at "));
      if (backend == BackendKind::kSoft || guest == std::string("yields_spins")) CHECK(outcome->wall_limited);
      const auto reader = traces::TraceReader::open(options.record_path);
      REQUIRE(reader.has_value());
      while ((*reader)->next() != nullptr) {
      }
      CHECK((*reader)->problem().empty());
      CHECK(traces::to_string((*reader)->hash()) == outcome->trace_hash);
    }
  }
}

TEST_CASE("a dead guest's report begins its last events with the vCPU that died, and the set-up comes last") {
  auto scenario = load_scenario(kGuests + "wild_opcode.elf", ImagePaths{kGuests}, {});
  REQUIRE(scenario.has_value());
  const auto outcome = run_scenario(*scenario, {});
  REQUIRE(outcome.has_value());
  REQUIRE(outcome->failure.has_value());
  const std::string& report = outcome->failure->report;
  const size_t vcpu = report.find("last events of d1v0"), machine = report.find("last events of machine");
  REQUIRE(vcpu != std::string::npos);
  REQUIRE(machine != std::string::npos);
  CHECK(vcpu < machine);
  CHECK(std::count(report.begin() + static_cast<std::ptrdiff_t>(vcpu),
                   report.begin() + static_cast<std::ptrdiff_t>(machine), '\n') <= 21);
}

}  // namespace
}  // namespace xensim::sim
