// Style as a test: what no compiler and no formatter checks, on every source file of the tree.
//
// Each rule is a function from a file to complaints. A complaint names file and line, so that it can be clicked.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct SourceFile {
  std::string path;  // relative to the repository's root
  std::string text;
  std::vector<std::string_view> lines;  // of `text`, without their ends
};

struct Tree {
  std::vector<SourceFile> files;
};

bool any_of_suffixes(std::string_view path, std::initializer_list<std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [path](std::string_view s) { return path.ends_with(s); });
}

bool any_of_prefixes(std::string_view path, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [path](std::string_view s) { return path.starts_with(s); });
}

bool is_cxx(const SourceFile& file) { return any_of_suffixes(file.path, {".h", ".cc", ".def"}); }
bool is_code(const SourceFile& file) { return is_cxx(file) || any_of_suffixes(file.path, {".c", ".S"}); }

SourceFile read_source(const fs::path& root, const fs::path& path) {
  SourceFile file;
  file.path = path.lexically_relative(root).generic_string();
  std::ifstream in(path, std::ios::binary);
  file.text.assign(std::istreambuf_iterator<char>(in), {});
  return file;
}

// Every file of ours that a person edits; sorted, so that complaints come in the same order everywhere.
const Tree& tree() {
  static const Tree result = [] {
    const fs::path root = XENSIM_SOURCE_DIR;
    Tree t;
    for (const char* folder : {"models", "sim", "traces", "kvm-backend", "scenarios", "tests", "bench"}) {
      if (!fs::exists(root / folder)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
        const std::string path = entry.path().generic_string();
        if (!entry.is_regular_file()) continue;
        if (any_of_suffixes(path, {".h", ".cc", ".def", ".c", ".S", ".lds", ".toml", ".cmake", "CMakeLists.txt"}))
          t.files.push_back(read_source(root, entry.path()));
      }
    }
    std::sort(t.files.begin(), t.files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    for (SourceFile& file : t.files) {  // only now: the views point into the files' final place
      for (size_t at = 0; at < file.text.size();) {
        const size_t end = std::min(file.text.find('\n', at), file.text.size());
        file.lines.push_back(std::string_view(file.text).substr(at, end - at));
        at = end + 1;
      }
    }
    return t;
  }();
  return result;
}

bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'); }

// Whether `word` is in `line`, not as a part of a longer word.
bool has_word(std::string_view line, std::string_view word) {
  for (size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool starts = at == 0 || !is_word(line[at - 1]) || !is_word(word.front());
    const bool ends = end == line.size() || !is_word(line[end]) || !is_word(word.back());
    if (starts && ends) return true;
  }
  return false;
}

// The line without its // comment. (A // in a string literal cuts too much: no rule here minds.)
std::string_view code_of(std::string_view line) { return line.substr(0, line.find("//")); }

// The file that an #include line names, with its quotes or angle brackets; nothing for other lines.
std::optional<std::string_view> include_of(std::string_view line) {
  if (!line.starts_with("#include ")) return std::nullopt;
  const std::string_view name = code_of(line.substr(9));
  return name.substr(0, name.find_last_of("\">") + 1);
}

// Runs `rule(file, line)` on each line of each file that `where` accepts; it gives a complaint, or an empty string.
template <class Where, class Rule>
void each_line(Where where, Rule rule) {
  for (const SourceFile& file : tree().files) {
    if (!where(file)) continue;
    for (size_t i = 0; i < file.lines.size(); i++) {
      const std::string complaint = rule(file, file.lines[i]);
      if (!complaint.empty()) FAIL_CHECK(fmt::format("{}:{}: {}", file.path, i + 1, complaint));
    }
  }
}

bool everywhere(const SourceFile& /*file*/) { return true; }

// What tests and benchmarks share, threads among it: in no program.
bool is_testing(const SourceFile& file) { return file.path.find("/testing/") != file.path.npos; }

}  // namespace

TEST_CASE("the walk finds the tree, this file among it") {
  const auto& files = tree().files;
  CHECK(std::any_of(files.begin(), files.end(), [](const auto& f) { return f.path == "tests/tidy_test.cc"; }));
  CHECK(std::any_of(files.begin(), files.end(), [](const auto& f) { return f.path == "models/base/types.h"; }));
}

TEST_CASE("lines have no tabs, no trailing blanks and are not too long") {
  each_line(everywhere, [](const SourceFile& file, std::string_view line) -> std::string {
    // clang-format keeps C++ within 120 columns, but for strings that it cannot break.
    const int most = is_cxx(file) && !file.path.ends_with(".def") ? 140 : 200;
    if (line.find('\t') != line.npos) return "tab";
    if (line.ends_with(' ') || line.ends_with('\r')) return "blank at the end of the line";
    const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
    if (columns > most) return fmt::format("{} columns", columns);
    return {};
  });
}

TEST_CASE("every source file begins with a comment and ends with a line end") {
  for (const SourceFile& file : tree().files) {
    INFO(file.path);
    REQUIRE(!file.text.empty());
    if (file.path.ends_with(".cc")) {
      // What a .cc is, its header may say.
      const std::string own = "#include \"" + file.path.substr(0, file.path.size() - 3) + ".h\"";
      CHECK((file.text.starts_with("// ") || file.text.starts_with(own)));
    } else if (is_code(file)) {
      CHECK(any_of_prefixes(file.text, {"// ", "/* "}));
    } else if (!any_of_suffixes(file.path, {".lds", ".ld", ".toml"})) {
      CHECK(any_of_prefixes(file.text, {"# ", "// "}));
    }
    CHECK(file.text.back() == '\n');
  }
}

TEST_CASE("headers are guarded, and project includes are full paths") {
  for (const SourceFile& file : tree().files) {
    if (!file.path.ends_with(".h")) continue;
    INFO(file.path);
    const bool guarded =
        file.text.find("\n#pragma once\n") != file.text.npos || file.text.find("\n#ifndef ") != file.text.npos;
    CHECK(guarded);
  }
  // Guest programs are C with include paths of their own.
  const auto ours = [](const SourceFile& file) {
    return is_cxx(file) && !any_of_prefixes(file.path, {"scenarios/guest/", "scenarios/probe/"});
  };
  each_line(ours, [](const SourceFile&, std::string_view line) -> std::string {
    const auto include = include_of(line);
    if (include && include->starts_with('"') && include->find('/') == include->npos)
      return "include without its folder";
    return {};
  });
}

TEST_CASE("no notes to self") {
  each_line(everywhere, [](const SourceFile&, std::string_view line) -> std::string {
    for (const char* word : {"TO"
                             "DO",
                             "FIX"
                             "ME",
                             "X"
                             "XX"})
      if (has_word(line, word)) return fmt::format("{}: do it, or file it", word);
    return {};
  });
}

TEST_CASE("no disabled tests and no dead code") {
  each_line(is_code, [](const SourceFile&, std::string_view line) -> std::string {
    for (const char* word : {"doctest::"
                             "skip",
                             "doctest::"
                             "may_fail",
                             "doctest::"
                             "should_fail",
                             "#if"
                             " 0"})
      if (has_word(line, word)) return fmt::format("{}: mend it or take it out", word);
    return {};
  });
}

TEST_CASE("test names are unique in their file and plain enough for CTest") {
  for (const SourceFile& file : tree().files) {
    if (!file.path.starts_with("tests/") || !file.path.ends_with("_test.cc")) continue;
    std::set<std::string_view> names;
    for (std::string_view line : file.lines) {
      constexpr std::string_view kOpen = "TEST_CASE(\"";
      if (!line.starts_with(kOpen)) continue;
      const std::string_view rest = line.substr(kOpen.size());
      const std::string_view name = rest.substr(0, rest.rfind('"'));
      INFO(file.path, ": ", std::string(name));
      CHECK(names.insert(name).second);
      CHECK(name.find_first_of("[];\"\\$") == name.npos);
    }
  }
}

namespace {

// What a folder may include of the project; the longest folder that matches decides. Folders that are not listed may
// include anything (tests, bench, guests).
struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;
};

const std::array kLayers = {
    Layer{"models/base/", {"models/base/"}}, Layer{"models/xen/abi/", {"models/base/", "models/xen/abi/"}},
    Layer{"models/xen/api/", {"models/base/", "models/xen/abi/", "models/xen/api/"}},
    Layer{"models/xen/", {"models/base/", "models/xen/"}}, Layer{"models/x86/", {"models/base/", "models/x86/"}},
    Layer{"models/pc/device/", {"models/base/", "models/pc/device/"}},
    Layer{"models/pc/acpi/", {"models/base/", "models/pc/acpi/", "models/pc/device/"}},
    Layer{"models/pc/load/", {"models/base/", "models/pc/load/"}}, Layer{"models/pc/", {"models/base/", "models/pc/"}},
    Layer{"models/pv/",
          {"models/base/", "models/xen/abi/", "models/xen/api/", "models/xen/state/archive.h", "models/pv/"}},
    Layer{"kvm-backend/", {"models/base/", "models/xen/abi/", "models/xen/api/", "kvm-backend/"}},
    Layer{"traces/", {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/"}},
    // The bench, bottom up. A row's last folder is the room itself.
    Layer{"sim/fiber/", {"models/base/", "sim/fiber/"}},
    Layer{"sim/scenario/", {"models/base/", "models/xen/api/", "traces/", "sim/scenario/"}},
    Layer{"sim/boot/", {"models/base/", "models/pc/device/", "sim/boot/"}},
    Layer{"sim/machine/",
          {"models/base/", "models/xen/abi/", "models/xen/api/", "models/xen/state/archive.h", "models/pc/load/",
           "models/pc/pc_devices.h", "traces/", "sim/fiber/", "sim/scenario/", "sim/machine/"}},
    Layer{"sim/native/",
          {"models/base/", "models/pc/load/", "scenarios/guest/", "sim/scenario/", "sim/machine/", "sim/native/"}},
    Layer{"sim/soft/",
          {"models/base/", "models/x86/", "models/pc/", "models/pv/", "sim/boot/", "sim/scenario/", "sim/machine/",
           "sim/soft/"}},
    Layer{"sim/process/", {"models/base/", "models/xen/state/archive.h", "sim/machine/", "sim/process/"}},
    Layer{"sim/explore/strategies/",
          {"models/base/", "models/xen/abi/", "traces/", "sim/scenario/", "sim/machine/", "sim/explore/strategies/"}},
    Layer{"sim/run/",
          {"models/base/", "models/xen/api/", "traces/", "sim/scenario/", "sim/machine/", "sim/native/", "sim/soft/",
           "sim/explore/strategies/", "sim/run/"}},
    Layer{"sim/explore/",
          {"models/base/", "models/xen/abi/", "traces/", "sim/scenario/", "sim/machine/", "sim/process/", "sim/run/",
           "sim/explore/"}},
    Layer{"sim/replay/",
          {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/", "sim/fiber/", "sim/replay/"}},
    Layer{"sim/oracle/", {"models/base/", "sim/scenario/", "sim/process/", "sim/run/", "sim/oracle/"}},
    Layer{"sim/cli/", {"models/base/", "models/xen/abi/", "models/xen/api/", "traces/", "sim/"}},
    Layer{"sim/", {}},  // every source is in a room
};

const Layer* layer_of(std::string_view path) {
  const Layer* best = nullptr;
  for (const Layer& layer : kLayers)
    if (path.starts_with(layer.folder) && (!best || layer.folder.size() > best->folder.size())) best = &layer;
  return best;
}

}  // namespace

TEST_CASE("includes follow the layers") {
  each_line(is_cxx, [](const SourceFile& file, std::string_view line) -> std::string {
    const auto include = include_of(line);
    const Layer* layer = layer_of(file.path);
    if (!include || !layer || !include->starts_with('"')) return {};
    const std::string_view name = include->substr(1, include->size() - 2);
    const auto& allowed = layer->may_include;
    if (std::any_of(allowed.begin(), allowed.end(), [name](auto folder) { return name.starts_with(folder); }))
      return {};
    return fmt::format("{} may not include {}", layer->folder, name);
  });
}

TEST_CASE("the core has no thread, no clock, no file and no engine") {
  const auto in_core = [](const SourceFile& f) {
    return is_cxx(f) && any_of_prefixes(f.path, {"models/xen/", "models/base/"}) && !is_testing(f);
  };
  each_line(in_core, [](const SourceFile&, std::string_view line) -> std::string {
    const auto include = include_of(line);
    if (!include) return {};
    for (std::string_view header : {"<thread>", "<condition_variable>", "<future>", "<chrono>", "<random>", "<fstream>",
                                    "<iostream>", "<filesystem>"})
      if (*include == header) return fmt::format("the core may not include {}", header);
    for (std::string_view library : {"<unicorn/", "<linux/kvm", "<boost/"})
      if (include->starts_with(library)) return fmt::format("the core may not include {}", *include);
    return {};
  });
}

TEST_CASE("nothing nondeterministic reaches the machine") {
  // block_table.h looks blocks up in a hash table and never walks through it: the order of its entries reaches nobody.
  const auto in_machine = [](const SourceFile& f) {
    return is_cxx(f) && f.path != "models/x86/block_table.h" &&
           any_of_prefixes(f.path, {"models/", "traces/", "sim/"}) && !f.path.starts_with("sim/cli/") && !is_testing(f);
  };
  each_line(in_machine, [](const SourceFile&, std::string_view line) -> std::string {
    for (const char* word :
         {"random_device", "system_clock", "steady_clock", "high_resolution_clock", "unordered_map", "unordered_set",
          "unordered_multimap", "unordered_multiset", "std::hash", "std::thread", "std::jthread", "std::async",
          "std::rand", "getenv", "gettimeofday", "clock_gettime", "__rdtsc"})
      if (has_word(code_of(line), word)) return fmt::format("{} in the machine: two runs would differ", word);
    return {};
  });
}
