// Snapshots as files: what is written is read, and every cut, every changed byte and every other machine's snapshot is
// refused in one line that says where.
#include "sim/machine/snapshot/snapshot_file.h"

#include <doctest/doctest.h>

#include <cstdio>

#include "models/base/prng.h"
#include "models/base/types.h"
#include "sim/run/run.h"

namespace xensim::sim {
namespace {

Snapshot small_snapshot() {
  Snapshot snapshot;
  snapshot.info.backend = "soft";
  snapshot.info.scenario_name = "small";
  snapshot.time = VirtualNs{12345};
  snapshot.machine = std::vector<std::byte>(300, std::byte{7});
  snapshot.core = std::vector<std::byte>(40, std::byte{9});
  std::vector<std::byte> memory(8 * kPageSize);
  memory[5] = memory[3 * kPageSize] = memory[4 * kPageSize + 9] = std::byte{1};
  snapshot.memory = pack_pages(memory);
  return snapshot;
}

std::string refusal(std::span<const std::byte> bytes) {
  const auto parsed = parse_snapshot("file.snap", bytes);
  return parsed ? std::string() : parsed.error().message;
}

TEST_CASE("a snapshot that was written is read as it was") {
  const Snapshot snapshot = small_snapshot();
  const auto bytes = format_snapshot(snapshot);
  const auto read = parse_snapshot("file.snap", bytes);
  REQUIRE(read.has_value());
  CHECK(read->info == snapshot.info);
  CHECK(read->time == snapshot.time);
  CHECK(read->machine == snapshot.machine);
  CHECK(read->core == snapshot.core);
  CHECK(format_snapshot(*read) == bytes);
}

TEST_CASE("every cut is refused: the name, the offset, what is missing") {
  const auto bytes = format_snapshot(small_snapshot());
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string why = refusal(std::span(bytes).first(length));
    CHECK(why.starts_with("file.snap: "));
    CHECK(why.find('\n') == std::string::npos);
    if (length >= 8) CHECK(why.find("truncated at offset " + std::to_string(length)) != std::string::npos);
  }
}

TEST_CASE("every changed byte is refused with its section's offset") {
  auto bytes = format_snapshot(small_snapshot());
  for (size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] ^= static_cast<std::byte>(1u << at % 8);
    const std::string why = refusal(bytes);
    CHECK(why.starts_with("file.snap: "));
    CHECK(why.find("offset") != std::string::npos);
    bytes[at] ^= static_cast<std::byte>(1u << at % 8);
  }
  CHECK(refusal(bytes).empty());
  bytes.push_back({});
  CHECK(refusal(bytes).find("bytes behind the end") != std::string::npos);
}

TEST_CASE("another version and no snapshot at all") {
  auto bytes = format_snapshot(small_snapshot());
  bytes[8] = std::byte{99};
  seal_snapshot(bytes);
  CHECK(refusal(bytes) == "file.snap: is a snapshot of version 99; this is xensim with version " +
                              std::to_string(kSnapshotVersion) + " (offset 8)");
  const std::string text = "[machine]\n";
  CHECK(refusal(std::as_bytes(std::span(text))) == "file.snap: is no snapshot (offset 0)");
}

TEST_CASE("changes behind right checksums never read outside the file") {
  const auto good = format_snapshot(small_snapshot());
  Prng prng(1);
  size_t refused = 0;
  for (unsigned round = 0; round < 4000; ++round) {
    auto bytes = good;
    for (uint64_t changes = 1 + prng.below(4); changes > 0; --changes) {
      bytes[prng.below(bytes.size())] = static_cast<std::byte>(prng.next());
    }
    seal_snapshot(bytes);
    const auto parsed = parse_snapshot("file.snap", bytes);
    if (!parsed) {
      ++refused;
      continue;
    }
    std::vector<std::byte> memory(8 * kPageSize);
    (void)unpack_pages(parsed->memory, memory).has_value();
  }
  CHECK(refused > 1000);
}

TEST_CASE("memory comes back page by page, and zero pages take nothing") {
  std::vector<std::byte> memory(600 * kPageSize);
  for (size_t page = 0; page < 600; page += 1 + page % 3) memory[page * kPageSize + page] = std::byte{3};
  const auto pieces = pack_pages(memory);
  CHECK(pieces.size() == 2);
  std::vector<std::byte> back(memory.size());
  REQUIRE(unpack_pages(pieces, back).has_value());
  CHECK(back == memory);
  const auto small = unpack_pages(pieces, std::span(back).first(100 * kPageSize));
  REQUIRE(!small.has_value());
  CHECK(small.error().message == "memory piece 0 has a page that the machine has not");
  CHECK(pack_pages(std::vector<std::byte>(kPageSize * 50)).empty());
}

// --- what the content may be

Scenario scenario_of(const std::string& file, const std::vector<std::pair<std::string, std::string>>& set = {}) {
  auto scenario = load_scenario(XENSIM_SOURCE_DIR "/scenarios/" + file, {XENSIM_BINARY_DIR "/guests"}, set);
  REQUIRE(scenario.has_value());
  return *scenario;
}

Snapshot saved(const Scenario& scenario, VirtualNs at) {
  const std::string path = std::string(XENSIM_BINARY_DIR) + "/snapshot_file_test.snap";
  RunOptions options;
  options.snapshot = SnapshotPoint{at};
  options.save_path = path;
  const auto outcome = run_scenario(scenario, options);
  REQUIRE_MESSAGE(outcome.has_value(), (outcome ? "" : outcome.error().message));
  CHECK(outcome->saved);
  auto snapshot = read_snapshot(path);
  std::remove(path.c_str());
  REQUIRE(snapshot.has_value());
  snapshot->name = "file.snap";
  return std::move(*snapshot);
}

std::string restore_error(const Scenario& scenario, const Snapshot& from) {
  RunOptions options;
  options.from = &from;
  const auto outcome = run_scenario(scenario, options);
  return outcome ? std::string() : outcome.error().message;
}

TEST_CASE("another scenario, another engine, another backend, a trace") {
  const Scenario scenario = scenario_of("ipi/ping_pong.toml");
  const Snapshot good = saved(scenario, VirtualNs{5000});
  CHECK(restore_error(scenario, good).empty());
  CHECK(restore_error(scenario_of("hello/hello.toml"), good).find("made from scenario ipi_ping_pong") !=
        std::string::npos);
  CHECK(restore_error(scenario_of("ipi/ping_pong.toml", {{"guest.memory", "32M"}}), good).starts_with("file.snap: "));
  Snapshot other = good;
  other.info.engine_version = "unicorn 9.9.9";
  CHECK(restore_error(scenario, other).find("was made with unicorn 9.9.9; this is unicorn 2.") != std::string::npos);
  other = good;
  other.info.backend = "native";
  CHECK(restore_error(scenario, other).find("is of backend native") != std::string::npos);
  RunOptions recording;
  recording.from = &good;
  recording.record_path = "never.trace";
  CHECK(run_scenario(scenario, recording).error().message.starts_with("--record: "));
}

TEST_CASE("a run that ends before it could be saved says so") {
  RunOptions options;
  options.snapshot = SnapshotPoint{VirtualNs{5'000'000'000}};
  options.save_path = "never.snap";
  const auto outcome = run_scenario(scenario_of("hello/hello.toml"), options);
  REQUIRE(!outcome.has_value());
  CHECK(outcome.error().message.starts_with("--snapshot-at 5s: the run ended at "));
}

// Fields that cannot be are named; none of the others does harm.
TEST_CASE("every changed byte of the states is refused, or gives a machine") {
  const Scenario scenario = scenario_of("ipi/ping_pong.toml", {{"guest.platform", "pvh"}});
  const Snapshot good = saved(scenario, VirtualNs{5000});
  auto machine = make_machine(scenario, BackendKind::kSoft, &good);
  REQUIRE(machine.has_value());
  size_t refused = 0, tried = 0;
  const auto attempt = [&](const Snapshot& changed) {
    MachineOptions options;
    options.from = &changed;
    (*machine)->reset(options);
    const Status prepared = (*machine)->prepare();
    ++tried;
    if (prepared) return;
    ++refused;
    CHECK(prepared.error().message.starts_with("file.snap: "));
  };
  Snapshot changed = good;
  for (size_t at = 0; at < good.machine.size(); at += 1 + good.machine.size() / 150) {
    changed.machine[at] ^= std::byte{0xff};
    attempt(changed);
    changed.machine[at] = good.machine[at];
  }
  for (size_t length = 0; length < good.machine.size(); length += 1 + good.machine.size() / 50) {
    changed.machine.resize(length);
    attempt(changed);
    changed.machine = good.machine;
  }
  const size_t before = refused;
  changed.core[changed.core.size() / 2] ^= std::byte{1};
  attempt(changed);
  CHECK(refused == before + 1);  // the core's bytes have a checksum of their own
  CHECK(refused >= 51);
  CHECK(tried > refused);
}

}  // namespace
}  // namespace xensim::sim
