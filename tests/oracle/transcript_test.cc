// Every guest program prints on xensim, under flavours xen and kvm, what it printed on the real Xen and the real KVM:
// the transcripts <name>.<flavour>.txt of this folder. Their first line is a comment that ends with the number of
// vCPUs; a line whose text begins with `~` may differ after that; `<guest>= <how it ended>` is a guest's last one.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cli/program.h"

namespace xensim {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

const std::string kFolder = XENSIM_SOURCE_DIR "/tests/oracle/";

// Two guests that need each other, by the scenario that has them as `a` and `b`.
struct Pair {
  std::string_view name, scenario;
};
constexpr Pair kPairs[] = {{"grant", "grant/pair.toml"}, {"interdomain", "evtchn/interdomain.toml"}};

// A transcript's line that xensim does not print, on purpose: checked to differ in this very way.
struct KnownDifference {
  std::string_view name, oracle, ours, why;
};
constexpr KnownDifference kKnown[] = {
    {"ring3", "ring3: #GP from ring 3, error code 0x812", "ring3: #GP from ring 3, error code 0x40a",
     "the oracles' processor is QEMU's TCG, which counts 16 bytes for an IDT entry in the error code; a real one's is "
     "vector * 8 + 2 (Intel SDM volume 2, INT n)"},
};

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

const Pair* pair_of(std::string_view name) {
  for (const Pair& pair : kPairs) {
    if (pair.name == name) return &pair;
  }
  return nullptr;
}

// The guest program of a transcript: `ipi_ping_pong_8` is ipi_ping_pong with eight vCPUs.
std::string program_of(const std::string& name) { return name == "ipi_ping_pong_8" ? "ipi_ping_pong" : name; }

// The number before "vCPU" at the header's end.
std::string vcpus_in(const std::string& header) {
  const size_t end = header.rfind(" vCPU");
  REQUIRE(end != std::string::npos);
  const size_t start = header.rfind(' ', end - 1) + 1;
  return header.substr(start, end - start);
}

std::string how_it_ended(const std::string& notes, const std::string& guest) {
  for (const char* end : {"poweroff", "reboot", "crash", "watchdog"}) {
    if (notes.find(fmt::format(" {} {}", guest, end)) != std::string::npos) return end;
  }
  return "no known end: " + notes;
}

// The guest's lines as the oracles' transcripts have them; `prefix` is what xensim puts before them.
void add_guest(Lines& lines, const Ran& ran, const std::string& guest, const std::string& program,
               const std::string& prefix) {
  for (const std::string& line : lines_of(ran.out)) {
    if (line.starts_with(prefix)) lines.push_back(program + ": " + line.substr(prefix.size()));
  }
  lines.push_back(program + "= " + how_it_ended(ran.err, guest));
}

Lines run_pair(const Pair& pair, const std::string& flavour) {
  const std::string name(pair.name);
  const Ran ran =
      run_program({"run", XENSIM_SOURCE_DIR "/scenarios/" + std::string(pair.scenario), "--flavour", flavour});
  CHECK(ran.status == 0);
  Lines lines;
  for (const std::string guest : {"a", "b"}) add_guest(lines, ran, guest, name + "_" + guest, guest + ": ");
  return lines;
}

Lines run_one(const std::string& program, const std::string& vcpus, const std::string& flavour) {
  const std::string image = XENSIM_BINARY_DIR "/guests/" + program + ".elf";
  const Ran ran = run_program({"run", image, "--vcpus", vcpus, "--flavour", flavour});
  CHECK(ran.status == 0);
  Lines lines;
  add_guest(lines, ran, program, program, "");
  return lines;
}

bool may_differ(const std::string& line) { return line.find(": ~") != std::string::npos; }

// Do the lines agree? Where a difference is known, xensim must print what is known.
bool agree(const std::string& name, const std::string& expected, const std::string& got) {
  if (may_differ(expected)) return may_differ(got);
  for (const KnownDifference& known : kKnown) {
    if (known.name != name || known.oracle != expected) continue;
    MESSAGE(fmt::format("known difference: oracle '{}', here '{}': {}", expected, got, known.why));
    return got == known.ours;
  }
  return expected == got;
}

void compare(const std::string& name, const std::string& flavour) {
  Lines expected = lines_of(read_text(kFolder + name + "." + flavour + ".txt"));
  REQUIRE(expected.size() > 1);
  const Pair* pair = pair_of(name);
  const Lines got =
      pair != nullptr ? run_pair(*pair, flavour) : run_one(program_of(name), vcpus_in(expected[0]), flavour);
  expected.erase(
      std::remove_if(expected.begin(), expected.end(), [](const auto& line) { return line.starts_with('#'); }),
      expected.end());
  for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    const std::string theirs = i < expected.size() ? expected[i] : "(no line)";
    const std::string ours = i < got.size() ? got[i] : "(no line)";
    if (agree(name, theirs, ours)) continue;
    FAIL_CHECK(
        fmt::format("{} under flavour {}, line {}:\n  expected {}\n  got      {}", name, flavour, i + 1, theirs, ours));
  }
}

constexpr std::string_view kXen[] = {"evtchn_affinity", "evtchn_affinity_fixed",
                                     "evtchn_basics",   "grant",
                                     "guest32",         "hello",
                                     "hello32",         "interdomain",
                                     "poll_lost",       "ipi_ping_pong",
                                     "ipi_ping_pong_8", "ipi_ping_pong_vector",
                                     "poll_wake",       "poller",
                                     "ring3",           "vcpu_ops",
                                     "singleshot_timer"};
// Without those that need two domains: KVM has one.
constexpr std::string_view kKvm[] = {
    "evtchn_affinity", "evtchn_affinity_fixed", "evtchn_basics",        "guest32",   "hello",  "hello32", "poll_lost",
    "ipi_ping_pong",   "ipi_ping_pong_8",       "ipi_ping_pong_vector", "poll_wake", "poller", "ring3",   "vcpu_ops",
    "singleshot_timer"};

TEST_CASE("each guest prints under flavour xen what the real Xen makes it print") {
  for (const std::string_view name : kXen) {
    SUBCASE(std::string(name).c_str()) { compare(std::string(name), "xen"); }
  }
}

TEST_CASE("each guest prints under flavour kvm what the real KVM makes it print") {
  for (const std::string_view name : kKvm) {
    SUBCASE(std::string(name).c_str()) { compare(std::string(name), "kvm"); }
  }
}

TEST_CASE("no transcript is left out, no guest is without one") {
  std::set<std::string> compared, there;
  std::set<std::string> programs = {"wild_access"};  // asks nothing of a hypervisor
  for (const std::string_view name : kXen) compared.insert(std::string(name) + ".xen.txt");
  for (const std::string_view name : kKvm) compared.insert(std::string(name) + ".kvm.txt");
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".txt" && entry.path().stem().has_extension()) {
      there.insert(entry.path().filename().string());
    }
  }
  CHECK(compared == there);
  for (const std::string_view name : kXen) {
    const std::string program = program_of(std::string(name));
    if (pair_of(name) == nullptr) programs.insert(program);
    if (pair_of(name) != nullptr) programs.insert({program + "_a", program + "_b"});
  }
  for (const auto& entry : fs::directory_iterator(XENSIM_BINARY_DIR "/guests")) {
    const std::string program = entry.path().stem().string();
    CAPTURE(program);
    if (entry.path().extension() == ".elf") CHECK(programs.count(program) == 1);
  }
}

TEST_CASE("each known difference stands in a transcript, with its reason") {
  for (const KnownDifference& known : kKnown) {
    CAPTURE(known.oracle);
    CHECK_FALSE(known.why.empty());
    const Lines lines = lines_of(read_text(kFolder + std::string(known.name) + ".xen.txt"));
    CHECK(std::count(lines.begin(), lines.end(), known.oracle) == 1);
  }
}

}  // namespace
}  // namespace xensim
