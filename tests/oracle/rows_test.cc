// Each row of the ABI is asked of the real Xen by a probe, in both widths: success, each documented error, the limits
// (rows.def). What no guest can be answered is named there too, with the unit test that is in its place.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "models/xen/abi/errno_names.h"
#include "models/xen/abi/state.h"
#include "models/xen/abi/table.h"

namespace xensim::xen::abi {
namespace {

namespace fs = std::filesystem;

struct Asked {
  unsigned width;  // 64, 32, or 0: both
  std::string_view row, topic, line;
};
struct Documented {
  std::string_view row, answers;
};
struct NotAsked {
  std::string_view row, answer, why, where;
};

constexpr Asked kAsked[] = {
#define XS_ASKED(row, topic, line) {0, row, topic, line},
#define XS_ASKED64(row, topic, line) {64, row, topic, line},
#define XS_ASKED32(row, topic, line) {32, row, topic, line},
#define XS_DOCUMENTED(row, answers)
#define XS_NOT_ASKED(row, answer, why, where)
#include "tests/oracle/rows.def"
#undef XS_ASKED
#undef XS_ASKED64
#undef XS_ASKED32
#undef XS_DOCUMENTED
#undef XS_NOT_ASKED
};

constexpr Documented kDocumented[] = {
#define XS_ASKED(row, topic, line)
#define XS_ASKED64(row, topic, line)
#define XS_ASKED32(row, topic, line)
#define XS_DOCUMENTED(row, answers) {row, answers},
#define XS_NOT_ASKED(row, answer, why, where)
#include "tests/oracle/rows.def"
#undef XS_DOCUMENTED
#undef XS_NOT_ASKED
};

constexpr NotAsked kNotAsked[] = {
#define XS_DOCUMENTED(row, answers)
#define XS_NOT_ASKED(row, answer, why, where) {row, answer, why, where},
#include "tests/oracle/rows.def"
#undef XS_ASKED
#undef XS_ASKED64
#undef XS_ASKED32
#undef XS_DOCUMENTED
#undef XS_NOT_ASKED
};

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// The lines of a transcript without their program's name; how a domain ended begins with "= ".
std::set<std::string> lines_of(const std::string& transcript) {
  std::set<std::string> lines;
  std::istringstream text(read_file(fmt::format("{}/tests/oracle/{}.xen.txt", XENSIM_SOURCE_DIR, transcript)));
  for (std::string line; std::getline(text, line);) {
    const size_t end = line.find_first_of(":=%");
    if (line.starts_with("#") || end == std::string::npos || end + 2 > line.size()) continue;
    lines.insert(line[end] == '=' ? line.substr(end) : line.substr(end + 2));
  }
  return lines;
}

bool has_line(const std::string& transcript, std::string_view beginning) {
  static std::map<std::string, std::set<std::string>> known;
  const auto [at, fresh] = known.try_emplace(transcript);
  if (fresh) at->second = lines_of(transcript);
  const auto found = at->second.lower_bound(std::string(beginning));
  return found != at->second.end() && found->starts_with(beginning);
}

bool says_error(std::string_view line) {
  const size_t status = line.find("GNTST_");
  return line.find("-E") != line.npos || (status != line.npos && !line.substr(status).starts_with("GNTST_okay"));
}

// Is the row asked in that width, with that answer? "success": one that is no error.
bool is_asked(std::string_view row, unsigned width, std::string_view answer) {
  for (const Asked& asked : kAsked) {
    if (asked.row != row || (asked.width != 0 && asked.width != width)) continue;
    if (answer == "success" ? !says_error(asked.line) : asked.line.find(answer) != asked.line.npos) return true;
  }
  return false;
}

const NotAsked* exception_of(std::string_view row, std::string_view answer) {
  for (const NotAsked& each : kNotAsked) {
    if (each.row == row && each.answer == answer) return &each;
  }
  return nullptr;
}

void demand(std::string_view row, std::string_view answer) {
  CAPTURE(row);
  CAPTURE(answer);
  const NotAsked* exception = exception_of(row, answer);
  for (const unsigned width : {64u, 32u}) {
    CAPTURE(width);
    CHECK((exception != nullptr || is_asked(row, width, answer)));
  }
}

void demand_state(std::string_view row, const CallState& state) {
  if (state.kind == StateKind::kImplemented) return demand(row, "success");
  // What the states say is of the 64-bit guest.
  CAPTURE(row);
  CHECK(is_asked(row, 64, fmt::format("-{}", errno_name(state.error))));
  CHECK((is_asked(row, 32, "-E") || is_asked(row, 32, "success")));
}

TEST_CASE("every line that rows.def names is in the real Xen's transcripts") {
  for (const Asked& asked : kAsked) {
    CAPTURE(asked.row);
    CAPTURE(asked.topic);
    CAPTURE(asked.line);
    if (asked.width != 32) CHECK(has_line(fmt::format("probe_{}", asked.topic), asked.line));
    if (asked.width != 64) CHECK(has_line(fmt::format("probe_{}32", asked.topic), asked.line));
  }
}

TEST_CASE("every sub-op, and every call without any, is asked in both widths and answers as its state says") {
  std::set<uint64_t> with_subops;
  for (const SubopInfo& subop : all_subops()) {
    with_subops.insert(subop.call);
    demand_state(subop.name, state_of(subop));
  }
  for (const HypercallInfo& call : all_hypercalls()) {
    if (call.hvm && with_subops.count(call.number) == 0) demand_state(call.name, state_of(call));
  }
}

TEST_CASE("every documented error of a call is asked in both widths") {
  for (const Documented& row : kDocumented) {
    std::istringstream answers{std::string(row.answers)};
    for (std::string answer; answers >> answer;) demand(row.row, answer);
  }
}

TEST_CASE("what no guest can be answered says why, and which unit test shows it") {
  std::string tests;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(XENSIM_SOURCE_DIR) / "tests/unit/models/xen")) {
    if (entry.path().extension() == ".cc") tests += read_file(entry.path());
  }
  for (const NotAsked& each : kNotAsked) {
    CAPTURE(each.row);
    CAPTURE(each.answer);
    CHECK_FALSE(each.why.empty());
    if (!each.where.empty()) CHECK(tests.find(fmt::format("TEST_CASE(\"{}\")", each.where)) != tests.npos);
    // Once probes ask for it, the exception goes.
    CHECK_FALSE((is_asked(each.row, 64, each.answer) && is_asked(each.row, 32, each.answer)));
  }
}

}  // namespace
}  // namespace xensim::xen::abi
