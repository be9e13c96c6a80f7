// Native guests: what the host leaves on their stacks does not show, and what goes wrong in their calls is a report.
#include "sim/native/native_machine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/pc/load/native_image.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/run/run.h"
#include "sim/scenario/read_file.h"
#include "sim/scenario/scenario_toml.h"

namespace xensim::sim {
namespace {

Scenario scenario_at(const std::string& path) {
  auto scenario = load_scenario(path, ImagePaths{XENSIM_BINARY_DIR "/guests"}, {});
  REQUIRE_MESSAGE(scenario.has_value(), scenario.error().message);
  return *scenario;
}

Scenario scenario_of(const std::string& name) { return scenario_at(XENSIM_SOURCE_DIR "/scenarios/" + name); }

// One whose guest reaches for an address that it has not.
Scenario wild() {
  const std::string path = XENSIM_BINARY_DIR "/wild_access.toml";
  std::ofstream(path) << "[machine]\nbackends = [\"native\"]\n[[guest]]\nimage = \"guest:wild_access\"\nvcpus = 2\n"
                         "memory = \"4M\"\n";
  return scenario_at(path);
}

std::string hash_of_run(Machine& machine, uint64_t seed) {
  const auto strategy = make_random(seed);
  traces::HashSink hash;
  MachineOptions options;
  options.strategy = strategy.get();
  options.sink = &hash;
  options.checks = true;
  machine.reset(options);
  machine.run();
  return traces::to_string(hash.hash());
}

// The stacks of the first guest, where they lie in this process.
std::span<std::byte> guest_stacks(const Scenario& scenario) {
  std::string path = scenario.guests[0].image;
  path.replace(path.size() - 3, 3, "so");
  const auto file = read_file(path);
  REQUIRE(file.has_value());
  const auto image = pc::read_native_image(path, *file);
  REQUIRE(image.has_value());
  REQUIRE(image->stacks_bytes == XS_NATIVE_MAX_VCPUS * XS_NATIVE_STACK_BYTES);
  return {reinterpret_cast<std::byte*>(NativeMachine::kBase + image->stacks), image->stacks_bytes};
}

TEST_CASE("what lay on a native guest's stacks does not change its run") {
  for (const char* name : {"races/evtchn_affinity.toml", "poll/wake.toml", "evtchn/basics.toml", "ipi/ping_pong_8.toml",
                           "timer/singleshot.toml"}) {
    CAPTURE(name);
    const Scenario scenario = scenario_of(name);
    auto machine = make_machine(scenario, BackendKind::kNative);
    REQUIRE(machine.has_value());
    const std::span<std::byte> stacks = guest_stacks(scenario);
    for (const uint64_t seed : {1u, 2u}) {
      const std::string fresh = hash_of_run(**machine, seed);
      for (const int filling : {0, 0xa5, 0xff}) {
        std::memset(stacks.data(), filling, stacks.size());
        CHECK(hash_of_run(**machine, seed) == fresh);
      }
    }
    if (scenario.guests[0].vcpus > 1) CHECK(hash_of_run(**machine, 1) != hash_of_run(**machine, 2));
  }
}

TEST_CASE("a native guest's stack holds no address of the host") {
  const Scenario scenario = scenario_of("races/evtchn_affinity.toml");
  auto machine = make_machine(scenario, BackendKind::kNative);
  REQUIRE(machine.has_value());
  const std::span<std::byte> stacks = guest_stacks(scenario);
  std::memset(stacks.data(), 0, stacks.size());
  hash_of_run(**machine, 1);
  size_t used = 0;
  for (size_t at = 0; at < stacks.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, stacks.data() + at, sizeof word);
    if (word != 0) ++used;
    // Programs, libraries and their stacks lie above this, and below it no address of ours but the guest's.
    CHECK((word >> 40) != 0x7f);
    CHECK((word >> 40) != 0x55);
    CHECK((word >> 40) != 0x56);
  }
  CHECK(used > 16);
}

TEST_CASE("a failed check in a native guest's call is a report, and the machine runs on") {
  const Scenario scenario = wild();
  auto machine = make_machine(scenario, BackendKind::kNative);
  REQUIRE(machine.has_value());
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const auto strategy = make_random(seed);
    MachineOptions options;
    options.strategy = strategy.get();
    (*machine)->reset(options);
    const Outcome outcome = (*machine)->run();
    REQUIRE(outcome.failure.has_value());
    CHECK(outcome.failure->kind == FailureKind::kCheck);
    CHECK(outcome.failure->message.find("d1v0: access outside the guest's RAM") != std::string::npos);
    CHECK(outcome.failure->where == "d1v0");
  }
}

}  // namespace
}  // namespace xensim::sim
