// Trace hashes that every build must give: gcc and clang, optimised or not, sanitized or not. Compared where the guests
// are byte for byte those that the hashes were made with (another gcc makes others), and the engine is the same
// version.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/cli/program.h"

namespace xensim {
namespace {

const std::string kGolden = XENSIM_SOURCE_DIR "/tests/golden/trace_hashes.txt";

// FNV-1a, 64 bits, over all images that the scenario names.
std::string images_hash(const std::string& scenario) {
  const std::string text = read_text(scenario);
  uint64_t hash = 0xcbf29ce484222325;
  constexpr std::string_view kKey = "image = \"guest:";
  for (size_t at = text.find(kKey); at != std::string::npos; at = text.find(kKey, at + 1)) {
    const size_t begin = at + kKey.size();
    const std::string name = text.substr(begin, text.find('"', begin) - begin);
    for (const char* kind : {".elf", ".so"}) {
      for (const char byte : read_text(XENSIM_BINARY_DIR "/guests/" + name + kind)) {
        hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
      }
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
    const Ran ran = run_program({"run", path, "--backend", backend, "--json"});
    const auto object = nlohmann::json::parse(ran.out, nullptr, false);
    REQUIRE(object.is_object());
    CHECK_MESSAGE(object["trace_hash"] == hash, "now: ", engine, " ", scenario, " ", backend, " ", images_here, " ",
                  object["trace_hash"].get<std::string>());
  }
  CHECK(rows >= 8);
  if (compared < rows)
    MESSAGE("golden hashes: ", rows - compared, " of ", rows, " are for other guests or another engine");
}

}  // namespace
}  // namespace xensim
