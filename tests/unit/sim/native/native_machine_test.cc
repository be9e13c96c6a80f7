// Native guests: what the host leaves on their stacks does not show, and what goes wrong in their calls is a report.
#include "sim/native/native_machine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>
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

// One whose guest makes a mistake.
Scenario wild(const std::string& mistake) {
  const std::string path = XENSIM_BINARY_DIR "/wild_" + mistake + ".toml";
  std::ofstream(path) << "[machine]\nbackends = [\"native\"]\n[[guest]]\nimage = \"guest:wild_" + mistake +
                             "\"\nvcpus = 2\nmemory = \"4M\"\n";
  return scenario_at(path);
}

Outcome run_under(Machine& machine, Strategy& strategy) {
  MachineOptions options;
  options.strategy = &strategy;
  machine.reset(options);
  return machine.run();
}

// All but the page below each, where a guest that goes too deep faults.
void fill(std::span<std::byte> stacks, int byte) {
  constexpr size_t kGuard = 4096;
  for (size_t at = 0; at < stacks.size(); at += XS_NATIVE_STACK_BYTES) {
    std::memset(stacks.data() + at + kGuard, byte, XS_NATIVE_STACK_BYTES - kGuard);
  }
}

std::string hash_of_run(Machine& machine, uint64_t seed) {
  const auto strategy = make_random(seed);
  traces::HashSink hash;
  MachineOptions options;
  options.strategy = strategy.get();
  options.sink = &hash;
  options.checks = true;
  machine.reset(options);
  const Outcome outcome = machine.run();
  CHECK((!outcome.failure || outcome.failure->kind != FailureKind::kCheck));
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
        fill(stacks, filling);
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
  fill(stacks, 0);
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

TEST_CASE("a native guest's mistake in a call is a report, and the machine runs on") {
  const Scenario scenario = wild("access");
  const auto machine = make_machine(scenario, BackendKind::kNative);
  REQUIRE(machine.has_value());
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const Outcome outcome = run_under(**machine, *make_random(seed));
    REQUIRE(outcome.failure.has_value());
    CHECK(outcome.failure->kind == FailureKind::kGuest);
    CHECK(outcome.failure->message.find("d1v0: access outside the guest's RAM") != std::string::npos);
    CHECK(outcome.failure->where == "d1v0");
  }
}

TEST_CASE("what would be a signal of the host's is a report, each time anew") {
  const std::pair<const char*, const char*> mistakes[] = {
      {"null_store", "d1v0: access to 0x0, which is not the guest's at image address 0x10"},
      {"jump", "d1v0: access to 0x7f0000000000, which is not the guest's at address 0x7f0000000000"},
      {"recursion", "d1v0: access to 0x2000"},
      {"division", "d1v0: division error at image address 0x10"},
      {"opcode", "d1v0: invalid opcode at image address 0x10"},
  };
  for (const auto& planted : mistakes) {  // no binding: the macro's lambda could not name it under clang 14
    const auto mistake = planted.first, message = planted.second;
    CAPTURE(mistake);
    const Scenario scenario = wild(mistake);
    const auto machine = make_machine(scenario, BackendKind::kNative);
    REQUIRE(machine.has_value());
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const Outcome outcome = run_under(**machine, *make_random(seed));
      REQUIRE(outcome.failure.has_value());
      CHECK(outcome.failure->kind == FailureKind::kGuest);
      CAPTURE(outcome.failure->message);
      CHECK(outcome.failure->message.starts_with(message));
      CHECK(outcome.failure->where == "d1v0");
    }
  }
}

TEST_CASE("a wild pointer that depends on the schedule is found under some, and the others run on") {
  const Scenario scenario = wild("late");
  const auto machine = make_machine(scenario, BackendKind::kNative);
  REQUIRE(machine.has_value());
  size_t failed = 0, passed = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const Outcome outcome = run_under(**machine, *make_random(seed));
    ++(outcome.failure ? failed : passed);
    if (outcome.failure) CHECK(outcome.failure->message.find("access to 0x0") != std::string::npos);
    CHECK(run_under(**machine, *make_random(seed)).failure.has_value() == outcome.failure.has_value());
  }
  CHECK(failed > 0);
  CHECK(passed > 0);
}

}  // namespace
}  // namespace xensim::sim
