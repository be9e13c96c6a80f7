// Every guest program prints on xensim what it printed on the real Xen and the real KVM: the transcripts
// <name>.<flavour>.txt of this folder (sim/oracle/transcript.h). The build makes one test case of each file that it
// finds; no list is kept.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "sim/oracle/own_run.h"
#include "sim/oracle/transcript.h"

namespace xensim::sim {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

const std::string kFolder = XENSIM_SOURCE_DIR "/tests/oracle/";
const std::string kGuests = XENSIM_BINARY_DIR "/guests/";

Transcript read_transcript(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(kFolder + file, std::ios::binary).rdbuf();
  auto transcript = parse_transcript(file, text.str());
  if (!transcript) FAIL(transcript.error().message);
  return std::move(*transcript);
}

void compare(const std::string& name, const std::string& flavour, EngineKind engine) {
  CAPTURE(engine == EngineKind::kPlain);
  const Transcript transcript = read_transcript(name + "." + flavour + ".txt");
  Lines images;
  for (const std::string& program : transcript.run.programs) images.push_back(kGuests + program + ".elf");
  const auto ran = run_here(transcript.run, images, flavour, engine);
  if (!ran) FAIL(ran.error().message);
  const Lines &expected = transcript.lines, &got = *ran;
  for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    const std::string theirs = i < expected.size() ? expected[i] : "(no line)";
    const std::string ours = i < got.size() ? got[i] : "(no line)";
    if (lines_agree(theirs, ours)) continue;
    FAIL_CHECK(
        fmt::format("{} under flavour {}, line {}:\n  expected {}\n  got      {}", name, flavour, i + 1, theirs, ours));
  }
}

// Both ways in ordinary builds. Sanitizers look at the code that both share, and plain takes them minutes a probe.
constexpr EngineKind kEngines[] = {
    EngineKind::kFast,
#ifndef XENSIM_SANITIZED
    EngineKind::kPlain,
#endif
};

#define XS_TRANSCRIPT(name, flavour)                                         \
  TEST_CASE(name "." flavour) {                                              \
    for (const EngineKind engine : kEngines) compare(name, flavour, engine); \
  }
#define XS_GUEST(program)
#include "tests/oracle/transcripts.inc"
#undef XS_TRANSCRIPT
#undef XS_GUEST

constexpr std::string_view kPrograms[] = {
#define XS_TRANSCRIPT(name, flavour)
#define XS_GUEST(program) program,
#include "tests/oracle/transcripts.inc"
#undef XS_TRANSCRIPT
#undef XS_GUEST
};

TEST_CASE("no guest is without a transcript of the real Xen") {
  std::set<std::string> programs;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(".xen.txt")) continue;
    for (const std::string& program : read_transcript(file).run.programs) programs.insert(program);
  }
  for (const std::string_view program : kPrograms) {
    CAPTURE(program);
    CHECK(programs.count(std::string(program)) == 1);
  }
}

}  // namespace
}  // namespace xensim::sim
