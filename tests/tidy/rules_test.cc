// Each rule of tidy, shown a file that breaks it: it complains, and only then.
#include "tests/tidy/rules.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/tidy/layers.h"

namespace xensim::tidy {
namespace {

using Rule = Complaints (*)(const Tree&);

Complaints complaints_of(Rule rule, const std::string& path, const std::string& text) {
  return rule(make_tree({{path, text}}));
}

TEST_CASE("a forbidden include in any folder of the table is seen") {
  for (const Layer& layer : layers()) {
    // No row may include this one, the program's own commands, but the row itself and those on top of all.
    const std::string forbidden = layer.folder == "sim/cli/" ? "tests/tidy/tree.h"
                                  : layer.folder == "tests/" ? "bench/sample.h"
                                  : layer.folder == "bench/" ? "tests/tidy/tree.h"
                                                             : "sim/cli/commands.h";
    const std::string path = fmt::format("{}planted.cc", layer.folder);
    const auto complaints =
        complaints_of(check_layers, path, "// Planted.\n#include <vector>\n#include \"" + forbidden + "\"\n");
    REQUIRE_MESSAGE(complaints.size() == 1, layer.folder);
    CHECK(complaints[0] == fmt::format("{}:3: {} may not include {}", path, layer.folder, forbidden));
    // What the row names is allowed.
    for (const std::string_view allowed : layer.may_include) {
      const std::string include = fmt::format("#include \"{}{}\"\n", allowed, allowed.ends_with(".h") ? "" : "some.h");
      CHECK_MESSAGE(complaints_of(check_layers, path, include).empty(), layer.folder, " ", include);
    }
  }
}

TEST_CASE("the engine's private state is seen where it leaves its room") {
  const auto complaints = [](const std::string& path, const std::string& header) {
    return complaints_of(check_fast_paths, path, "// Planted.\n#include \"models/x86/fast/" + header + "\"\n").size();
  };
  CHECK(complaints("models/x86/soft_cpu.cc", "fast_paths.h") == 0);
  CHECK(complaints("models/x86/fast/in_place.cc", "live_state.h") == 0);
  CHECK(complaints("models/x86/soft_cpu.cc", "engine_tlb.h") == 1);
  CHECK(complaints("models/x86/intercepts.cc", "fast_paths.h") == 1);
  CHECK(complaints("sim/soft/soft_domain.cc", "fast_paths.h") == 1);
}

TEST_CASE("a layer never includes the one above it") {
  const std::pair<const char*, const char*> kForbidden[] = {
      {"models/base/", "models/xen/api/core.h"},
      {"models/xen/", "traces/event.h"},
      {"models/xen/abi/", "models/xen/domain.h"},
      {"models/xen/api/", "models/xen/domain.h"},
      {"models/xen/state/", "sim/machine/machine.h"},
      {"models/x86/", "models/xen/api/core.h"},
      {"models/x86/engine/", "models/x86/fast/live_state.h"},
      {"models/pc/device/", "models/pc/board.h"},
      {"models/pc/load/", "models/pc/board.h"},
      {"models/pv/", "models/xen/domain.h"},
      {"traces/", "models/xen/domain.h"},
      {"sim/scenario/", "sim/machine/machine.h"},
      {"sim/guest/", "sim/machine/machine.h"},
      {"sim/guest/", "models/x86/soft_cpu.h"},
      {"sim/machine/", "sim/soft/soft_machine.h"},
      {"sim/machine/", "models/pc/load/pvh_loader.h"},
      {"sim/machine/", "models/xen/domain.h"},
      {"sim/native/", "sim/soft/soft_machine.h"},
      {"sim/soft/", "sim/native/native_machine.h"},
      {"sim/explore/strategies/", "sim/run/run.h"},
      {"sim/explore/search/", "sim/explore/strategies/strategies.h"},
      {"sim/run/", "sim/explore/explore.h"},
      {"sim/replay/", "sim/machine/machine.h"},
      {"tests/", "bench/sample.h"},
      {"bench/", "tests/cli/program.h"},
  };
  for (const auto& forbidden : kForbidden) {  // no binding: the macro's lambda could not name it under clang 14
    const auto folder = forbidden.first, include = forbidden.second;
    const auto complaints =
        complaints_of(check_layers, fmt::format("{}x.h", folder), fmt::format("#include \"{}\"\n", include));
    CHECK_MESSAGE(complaints.size() == 1, folder, " ", include);
  }
}

TEST_CASE("a new folder without a row is seen") {
  const auto complaints = complaints_of(check_rooms, "sim/gadget/gadget.cc", "// A gadget.\n");
  REQUIRE(complaints.size() == 1);
  CHECK(complaints[0].starts_with("sim/gadget/: no row"));
  CHECK(complaints_of(check_rooms, "sim/gadget.cc", "// Not in a room.\n").size() == 1);
  CHECK(complaints_of(check_rooms, "models/xen/new/x.h", "// A header.\n").size() == 1);
  CHECK(complaints_of(check_rooms, "sim/soft/gadget.cc", "// In a room.\n").empty());
  CHECK(complaints_of(check_rooms, "tests/unit/new/x_test.cc", "// Tests may have folders.\n").empty());
}

struct Planted {
  Rule rule;
  const char* path;
  const char* bad;
  const char* good;
};

TEST_CASE("each rule complains of a line that breaks it, and not of one that does not") {
  const std::string long_line = "// " + std::string(138, 'x') + "\n";
  const std::string wide_line = "// " + std::string(137, 'x') + "\n";
  const Planted kPlanted[] = {
      {check_lines, "sim/soft/x.cc", "int\tx;\n", "int x;\n"},
      {check_lines, "sim/soft/x.cc", "int x; \n", "int x;\n"},
      {check_lines, "sim/soft/x.cc", "int x;\r\n", "int x;\n"},
      {check_lines, "sim/soft/x.cc", long_line.c_str(), wide_line.c_str()},
      {check_file_ends, "sim/soft/x.cc", "int x;\n", "// What it is.\nint x;\n"},
      {check_file_ends, "sim/soft/x.cc", "// No end", "#include \"sim/soft/x.h\"\n"},
      {check_file_ends, "sim/soft/x.cc", "", "// An end.\n"},
      {check_file_ends, "sim/soft/x.h", "#pragma once\n", "// What it is.\n#pragma once\n"},
      {check_file_ends, "sim/CMakeLists.txt", "add_library(x)\n", "# What it is.\nadd_library(x)\n"},
      {check_headers, "sim/soft/x.h", "// What it is.\nint x;\n", "// What it is.\n#pragma once\n"},
      {check_headers, "sim/soft/x.cc", "#include \"x.h\"\n", "#include \"sim/soft/x.h\"\n"},
      {check_notes, "docs/x.md",
       "# TO"
       "DO: more\n",
       "# To do\n"},
      {check_notes, "sim/soft/x.cc",
       "// FIX"
       "ME\n",
       "// FIX"
       "MES\n"},
      {check_notes, "sim/soft/x.toml",
       "# X"
       "XX\n",
       "# XX\n"},
      {check_disabled, "tests/unit/x_test.cc",
       "TEST_CASE(\"x\" * doctest::"
       "skip()) {}\n",
       "TEST_CASE(\"x\") {}\n"},
      {check_disabled, "tests/unit/x_test.cc",
       "* doctest::"
       "may_fail()\n",
       "// may_fail\n"},
      {check_disabled, "tests/unit/x_test.cc",
       "* doctest::"
       "should_fail()\n",
       "// should_fail\n"},
      {check_disabled, "sim/soft/x.cc",
       "#if"
       " 0\n",
       "#if 1\n"},
      {check_test_names, "tests/unit/x_test.cc", "TEST_CASE(\"a\") {\nTEST_CASE(\"a\") {\n",
       "TEST_CASE(\"a\") {\nTEST_CASE(\"b\") {\n"},
      {check_test_names, "tests/unit/x_test.cc", "TEST_CASE(\"a[0]\") {\n", "TEST_CASE(\"a 0\") {\n"},
      {check_testing, "models/xen/x.cc", "#include \"models/xen/testing/plain_platform.h\"\n",
       "#include \"models/xen/domain.h\"\n"},
      {check_core, "models/xen/x.h", "#include <mutex>\n", "#include <atomic>\n"},
      {check_core, "models/xen/p2m.h", "#include <shared_mutex>\n", "#include <map>\n"},
      {check_core, "models/xen/grant_table.h", "#include <mutex>\n", "#include \"models/xen/locks.h\"\n"},
      {check_core, "models/base/x.h", "#include <thread>\n", "#include <string>\n"},
      {check_core, "models/xen/x.h", "#include <chrono>\n", "// <chrono>\n"},
      {check_core, "models/xen/x.h", "#include <fstream>\n", "#include <vector>\n"},
      {check_core, "models/xen/x.h", "#include <unicorn/unicorn.h>\n", "#include <fmt/format.h>\n"},
      {check_determinism, "sim/soft/x.cc", "std::random_device device;\n", "// No random_device.\n"},
      {check_determinism, "traces/x.cc", "std::unordered_map<int, int> map;\n", "std::map<int, int> map;\n"},
      {check_determinism, "models/pc/device/x.cc", "auto t = std::chrono::steady_clock::now();\n", "now();\n"},
      {check_determinism, "sim/run/x.cc", "getenv(\"HOME\");\n", "my_getenv(\"HOME\");\n"},
      {check_paths_in_prose, "sim/soft/x.cc", "// See sim/soft/gone.h.\n", "// See sim/soft/x.cc.\n"},
      {check_paths_in_prose, "sim/soft/x.cc", "int x;  // sim/soft/gone.h\n", "call(\"sim/soft/gone.h\");\n"},
      {check_paths_in_prose, "docs/x.md", "In `models/gone/`.\n", "In `docs/x.md`.\n"},
      {check_paths_in_prose, "sim/soft/x.cc", "// See gone.cc.\n", "// See x.cc, and pair.{h,cc}.\n"},
      {check_paths_in_prose, "docs/x.md", "See models/gone/*.cc\n", "See xen/sim/gone.c\n"},
  };
  for (const Planted& planted : kPlanted) {
    const auto bad = complaints_of(planted.rule, planted.path, planted.bad);
    CHECK_MESSAGE(!bad.empty(), planted.path, ": ", planted.bad);
    CHECK_MESSAGE((bad.empty() || bad[0].starts_with(planted.path)), planted.path);
    const auto good = complaints_of(planted.rule, planted.path, planted.good);
    CHECK_MESSAGE(good.empty(), planted.path, ": ", planted.good, good.empty() ? "" : good[0]);
  }
}

TEST_CASE("what is left out of a rule is left out") {
  // The host's threads are for tests; the command line may look at clocks.
  CHECK(complaints_of(check_core, "models/xen/testing/x.h", "#include <mutex>\n").empty());
  CHECK(complaints_of(check_core, "sim/process/x.cc", "#include <thread>\n").empty());
  CHECK(complaints_of(check_determinism, "sim/cli/x.cc", "std::chrono::steady_clock::now();\n").empty());
  CHECK(complaints_of(check_testing, "tests/unit/x.cc", "#include \"models/xen/testing/plain_platform.h\"\n").empty());
  CHECK(complaints_of(check_headers, "scenarios/guest/x.c", "#include \"x.h\"\n").empty());
}

}  // namespace
}  // namespace xensim::tidy
