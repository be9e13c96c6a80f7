// Trace hashes that every build must give: gcc and clang, optimised or not, sanitized or not. Compared where the guests
// are byte for byte those that the hashes were made with (another gcc makes others), and the engine is the same
// version.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cli/program.h"

namespace xensim {
namespace {

const std::string kGolden = XENSIM_SOURCE_DIR "/tests/golden/trace_hashes.txt";

// FNV-1a, 64 bits.
constexpr uint64_t kHashStart = 0xcbf29ce484222325;
uint64_t hash_on(uint64_t hash, std::string_view bytes) {
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return hash;
}

std::string hex_hash(std::string_view bytes) { return fmt::format("{:016x}", hash_on(kHashStart, bytes)); }

// Over all images that the scenario names.
std::string images_hash(const std::string& scenario) {
  const std::string text = read_text(scenario);
  uint64_t hash = kHashStart;
  constexpr std::string_view kKey = "image = \"guest:";
  for (size_t at = text.find(kKey); at != std::string::npos; at = text.find(kKey, at + 1)) {
    const size_t begin = at + kKey.size();
    const std::string name = text.substr(begin, text.find('"', begin) - begin);
    for (const char* kind : {".elf", ".so"}) {
      hash = hash_on(hash, read_text(XENSIM_BINARY_DIR "/guests/" + name + kind));
    }
  }
  return fmt::format("{:016x}", hash);
}

TEST_CASE("trace hashes are those of every other build") {
  const std::string version = run_program({"version"}).out;
  std::istringstream golden(read_text(kGolden));
  size_t compared = 0;
  size_t rows = 0;
  for (std::string line; std::getline(golden, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string engine, scenario, backend, images, hash;
    fields >> engine >> scenario >> backend >> images >> hash;
    REQUIRE_FALSE(hash.empty());
    ++rows;
    const std::string path = XENSIM_SOURCE_DIR "/scenarios/" + scenario;
    const std::string images_here = images_hash(path);
    if (version.find("unicorn " + engine) == std::string::npos || images_here != images) continue;
    ++compared;
    for (const char* kind : {"fast", "plain"}) {
      if (backend != "soft" && std::string_view(kind) == "plain") continue;
      CAPTURE(kind);
      const Ran ran = run_program({"run", path, "--backend", backend, "--engine", kind, "--json"});
      const auto object = nlohmann::json::parse(ran.out, nullptr, false);
      REQUIRE(object.is_object());
      CHECK_MESSAGE(object["trace_hash"] == hash, "now: ", engine, " ", scenario, " ", backend, " ", images_here, " ",
                    object["trace_hash"].get<std::string>());
    }
  }
  CHECK(rows >= 8);
  if (compared < rows)
    MESSAGE("golden hashes: ", rows - compared, " of ", rows, " are for other guests or another engine");
}

// Explores as a line of the schedules' file says (its first five fields): the number of the schedule that fails, the
// hash of the schedule file that it shrinks to, the trace hash of that schedule.
std::string explored(const std::string& scenario, const std::string& flavour, const std::string& strategy,
                     const std::string& seed) {
  const Ran ran =
      run_program({"explore", XENSIM_SOURCE_DIR "/scenarios/" + scenario, "--flavour", flavour, "--strategy", strategy,
                   "--seed", seed, "--schedules", "20000", "--schedule", "golden.schedule", "--json"});
  const auto object = nlohmann::json::parse(ran.out, nullptr, false);
  if (ran.status != 1 || !object.is_object()) return "status " + std::to_string(ran.status) + ": " + ran.err;
  return fmt::format("{} {} {}", object["schedules"].get<uint64_t>(),
                     hex_hash(read_text(scratch_folder() + "/golden.schedule")),
                     object["trace_hash"].get<std::string>());
}

// With XENSIM_RENEW_GOLDEN in the environment the file is written anew instead.
TEST_CASE("explored schedules are those of every other build") {
  const std::string file = XENSIM_SOURCE_DIR "/tests/golden/schedules.txt";
  const bool renew = std::getenv("XENSIM_RENEW_GOLDEN") != nullptr;
  std::istringstream golden(read_text(file));
  std::string renewed;
  size_t rows = 0;
  for (std::string line; std::getline(golden, line); renewed += line + '\n') {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string scenario, flavour, strategy, seed, images;
    fields >> scenario >> flavour >> strategy >> seed >> images;
    REQUIRE_FALSE(images.empty());
    ++rows;
    const std::string images_here = images_hash(XENSIM_SOURCE_DIR "/scenarios/" + scenario);
    if (images_here != images && !renew) continue;
    const std::string now = fmt::format("{} {} {} {} {} {}", scenario, flavour, strategy, seed, images_here,
                                        explored(scenario, flavour, strategy, seed));
    if (!renew) CHECK_MESSAGE(now == line, "renew the file with XENSIM_RENEW_GOLDEN=1 where that is as it should be");
    line = now;
  }
  CHECK(rows >= 4);
  if (renew) std::ofstream(file) << renewed;
}

// A scenario with a row of [golden], and what `xensim run` with these options says of it.
Ran run_golden(const std::string& row, const std::vector<std::string>& options) {
  const std::string file = scratch_file("golden.toml",
                                        "[machine]\nbackends = [\"soft\", \"native\"]\n[[guest]]\n"
                                        "image = \"guest:evtchn_basics\"\n[golden]\n" +
                                            row + "\n");
  std::vector<std::string> args = {"run", file};
  args.insert(args.end(), options.begin(), options.end());
  return run_program(args);
}

TEST_CASE("a scenario's golden hashes are compared where it runs as it is written") {
  for (const std::string backend : {"soft", "native"}) {
    CAPTURE(backend);
    const std::string zeroes = "0000000000000000";
    // A row of another guest: it is told what this one's would be.
    const Ran other = run_golden("\"" + zeroes + " native\" = \"" + zeroes + "\"", {"--backend", backend});
    CHECK(other.status == 0);
    const size_t begin = other.err.find("golden: no row ");
    REQUIRE(begin != std::string::npos);
    const std::string note = other.err.substr(begin, other.err.find('\n', begin) - begin);
    const std::string key = note.substr(15, note.rfind('"') + 1 - 15);
    const std::string hash = note.substr(note.size() - 16);
    CHECK(key.find(backend == "soft" ? " unicorn " : " native\"") != std::string::npos);

    const Ran same = run_golden(key + " = \"" + hash + "\"", {"--backend", backend});
    CHECK(same.status == 0);
    CHECK(same.err.find("golden: ") == same.err.find("golden: passed"));
    CHECK(run_golden(key + " = \"" + hash + "\"", {"--backend", backend, "--engine", "plain", "--checks"}).status == 0);

    const std::string wrong = key + " = \"" + zeroes + "\"";
    const Ran differs = run_golden(wrong, {"--backend", backend, "--json"});
    CHECK(differs.status == 1);
    const auto object = nlohmann::json::parse(differs.out, nullptr, false);
    REQUIRE(object.is_object());
    CHECK(object["failure"]["kind"] == "expectation");
    CHECK(object["failure"]["message"] == "golden: trace hash " + hash + ", where " + key + " has " + zeroes);
    // Another execution has another hash.
    for (const auto& option : {std::vector<std::string>{"--seed", "7"}, {"--set", "clock.tsc_khz=2000000"}}) {
      std::vector<std::string> options = {"--backend", backend};
      options.insert(options.end(), option.begin(), option.end());
      CHECK(run_golden(wrong, options).status == 0);
    }
  }
}

}  // namespace
}  // namespace xensim
