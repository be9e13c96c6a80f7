#include "tests/tidy/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tests/tidy/layers.h"

namespace xensim::tidy {

namespace {

// Runs `rule(file, line)` on each line of each file that `where` accepts; it gives a complaint, or an empty string.
template <class Where, class Rule>
Complaints each_line(const Tree& tree, Where where, Rule rule) {
  Complaints complaints;
  for (const SourceFile& file : tree.files) {
    if (!where(file)) continue;
    size_t number = 0;
    for (const std::string_view line : file.lines()) {
      ++number;
      const std::string complaint = rule(file, line);
      if (!complaint.empty()) complaints.push_back(fmt::format("{}:{}: {}", file.path, number, complaint));
    }
  }
  return complaints;
}

bool everywhere(const SourceFile& /*file*/) { return true; }
bool in_code_and_scripts(const SourceFile& file) { return !is_document(file); }

// What tests and benchmarks share, threads among it: in no program.
bool is_testing(std::string_view path) { return path.find("/testing/") != path.npos; }

}  // namespace

Complaints check_lines(const Tree& tree) {
  return each_line(tree, in_code_and_scripts, [](const SourceFile& file, std::string_view line) -> std::string {
    // clang-format keeps C++ within 120 columns, but for strings that it cannot break.
    const int most = is_cxx(file) && !file.path.ends_with(".def") ? 140 : 200;
    if (line.find('\t') != line.npos) return "tab";
    if (line.ends_with(' ') || line.ends_with('\r')) return "blank at the end of the line";
    const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
    if (columns > most) return fmt::format("{} columns", columns);
    return {};
  });
}

Complaints check_file_ends(const Tree& tree) {
  Complaints complaints;
  for (const SourceFile& file : tree.files) {
    if (file.text.empty() || file.text.back() != '\n') complaints.push_back(file.path + ": no line end at its end");
    // What a .cc is, its header may say.
    const std::string own = "#include \"" + file.path.substr(0, file.path.size() - 3) + ".h\"";
    bool begins = true;
    if (file.path.ends_with(".cc")) {
      begins = file.text.starts_with("// ") || file.text.starts_with(own);
    } else if (is_code(file)) {
      begins = any_of_prefixes(file.text, {"// ", "/* "});
    } else if (!any_of_suffixes(file.path, {".lds", ".ld", ".toml"})) {
      begins = any_of_prefixes(file.text, {"# ", "// "});
    }
    if (!begins) complaints.push_back(file.path + ": does not begin with what it is");
  }
  return complaints;
}

Complaints check_headers(const Tree& tree) {
  // Guest programs are C with include paths of their own.
  const auto ours = [](const SourceFile& file) {
    return is_cxx(file) && !any_of_prefixes(file.path, {"scenarios/guest/", "scenarios/probe/"});
  };
  Complaints complaints = each_line(tree, ours, [](const SourceFile&, std::string_view line) -> std::string {
    const auto include = include_of(line);
    if (include && include->starts_with('"') && include->find('/') == include->npos)
      return "include without its folder";
    return {};
  });
  for (const SourceFile& file : tree.files) {
    if (!file.path.ends_with(".h")) continue;
    if (file.text.find("\n#pragma once\n") == file.text.npos && file.text.find("\n#ifndef ") == file.text.npos)
      complaints.push_back(file.path + ": header without a guard");
  }
  return complaints;
}

Complaints check_notes(const Tree& tree) {
  return each_line(tree, everywhere, [](const SourceFile&, std::string_view line) -> std::string {
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

Complaints check_disabled(const Tree& tree) {
  return each_line(tree, is_code, [](const SourceFile&, std::string_view line) -> std::string {
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

Complaints check_test_names(const Tree& tree) {
  const auto is_test = [](const SourceFile& file) {
    return file.path.starts_with("tests/") && file.path.ends_with("_test.cc");
  };
  std::set<std::pair<std::string_view, std::string>> names;
  return each_line(tree, is_test, [&](const SourceFile& file, std::string_view line) -> std::string {
    constexpr std::string_view kOpen = "TEST_CASE(\"";
    if (!line.starts_with(kOpen)) return {};
    const std::string_view rest = line.substr(kOpen.size());
    const std::string name(rest.substr(0, rest.rfind('"')));
    if (!names.emplace(file.path, name).second) return "there is a test of this name in this file";
    if (name.find_first_of("[];\"\\$") != name.npos) return "CTest cannot show this name";
    return {};
  });
}

Complaints check_layers(const Tree& tree) {
  return each_line(tree, is_cxx, [](const SourceFile& file, std::string_view line) -> std::string {
    const auto include = include_of(line);
    const Layer* const layer = layer_of(folder_of(file.path));
    if (!include || !layer || !include->starts_with('"') || include->find('/') == include->npos) return {};
    const std::string_view name = include->substr(1, include->size() - 2);
    const auto& allowed = layer->may_include;
    if (std::any_of(allowed.begin(), allowed.end(), [name](auto folder) { return name.starts_with(folder); }))
      return {};
    return fmt::format("{} may not include {}", layer->folder, name);
  });
}

// The face of models/x86/fast and the files that may know it; its own tests may look inside.
Complaints check_fast_paths(const Tree& tree) {
  constexpr std::string_view kFast = "\"models/x86/fast/", kFace = "\"models/x86/fast/fast_paths.h\"",
                             kBuilds = "\"models/x86/fast/known_builds.h\"";
  struct Row {
    std::string_view file, include;
  };
  constexpr Row kKnow[] = {
      {"models/x86/soft_cpu.cc", kFace}, {"models/x86/soft_cpu.cc", kBuilds}, {"models/x86/accounting.cc", kFace}};
  return each_line(tree, is_cxx, [&](const SourceFile& file, std::string_view line) -> std::string {
    const auto include = include_of(line);
    if (!include || !include->starts_with(kFast)) return {};
    if (any_of_prefixes(file.path, {"models/x86/fast/", "tests/unit/models/x86/"})) return {};
    const bool known = std::any_of(std::begin(kKnow), std::end(kKnow),
                                   [&](const Row& row) { return row.file == file.path && row.include == *include; });
    return known ? ""
                 : fmt::format("may not include {}: the engine's private state stays in models/x86/fast", *include);
  });
}

Complaints check_rooms(const Tree& tree) {
  std::set<std::string_view> missing;
  for (const SourceFile& file : tree.files) {
    if (is_code(file) && layer_of(folder_of(file.path)) == nullptr) missing.insert(folder_of(file.path));
  }
  Complaints complaints;
  for (const std::string_view folder : missing)
    complaints.push_back(fmt::format("{}: no row in tests/tidy/layers.cc says what it may include", folder));
  return complaints;
}

Complaints check_testing(const Tree& tree) {
  const auto in_program = [](const SourceFile& file) {
    return is_cxx(file) && !any_of_prefixes(file.path, {"tests/", "bench/"}) && !is_testing(file.path);
  };
  return each_line(tree, in_program, [](const SourceFile&, std::string_view line) -> std::string {
    const auto include = include_of(line);
    return include && is_testing(*include) ? fmt::format("{} is for tests and benchmarks alone", *include) : "";
  });
}

Complaints check_core(const Tree& tree) {
  const auto in_core = [](const SourceFile& f) {
    return is_cxx(f) && any_of_prefixes(f.path, {"models/xen/", "models/base/"}) && !is_testing(f.path);
  };
  return each_line(tree, in_core, [](const SourceFile&, std::string_view line) -> std::string {
    const auto include = include_of(line);
    if (!include) return {};
    // Its locks are Platform's (models/xen/locks.h): others have no rank, and exploration does not see them.
    for (std::string_view header :
         {"<thread>", "<mutex>", "<shared_mutex>", "<semaphore>", "<latch>", "<barrier>", "<condition_variable>",
          "<future>", "<chrono>", "<random>", "<fstream>", "<iostream>", "<filesystem>", "<pthread.h>"})
      if (*include == header) return fmt::format("the core may not include {}", header);
    for (std::string_view library : {"<unicorn/", "<linux/kvm", "<boost/"})
      if (include->starts_with(library)) return fmt::format("the core may not include {}", *include);
    return {};
  });
}

Complaints check_determinism(const Tree& tree) {
  // block_table.h looks blocks up in a hash table and never walks through it: the order of its entries reaches nobody.
  // engine_clock.cc stops a clock.
  const auto in_machine = [](const SourceFile& f) {
    return is_cxx(f) && f.path != "models/x86/block_table.h" && f.path != "models/x86/engine/engine_clock.cc" &&
           any_of_prefixes(f.path, {"models/", "traces/", "sim/"}) && !f.path.starts_with("sim/cli/") &&
           !is_testing(f.path);
  };
  return each_line(tree, in_machine, [](const SourceFile&, std::string_view line) -> std::string {
    for (const char* word :
         {"random_device", "system_clock", "steady_clock", "high_resolution_clock", "unordered_map", "unordered_set",
          "unordered_multimap", "unordered_multiset", "std::hash", "std::thread", "std::jthread", "std::async",
          "std::rand", "getenv", "gettimeofday", "clock_gettime", "__rdtsc"})
      if (has_word(code_of(line), word)) return fmt::format("{} in the machine: two runs would differ", word);
    return {};
  });
}

namespace {

constexpr std::string_view kPathLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+*{}<>,";

// Does the path, or the part of it before a placeholder (*, {a,b}, <name>, NAME), lead anywhere?
bool leads_somewhere(const Tree& tree, std::string_view path) {
  const size_t open = std::min(path.find_first_of("*{<"), path.find("NAME"));
  if (open != path.npos) {
    const std::string_view folder = folder_of(path.substr(0, open));
    return !folder.empty() && tree.paths.contains(std::string(folder.substr(0, folder.size() - 1)));
  }
  path = path.substr(0, path.find_first_of(",>"));
  while (any_of_suffixes(path, {".", "/", "-"})) path.remove_suffix(1);
  if (tree.paths.contains(std::string(path))) return true;
  // A pair of files without their endings.
  return tree.paths.contains(std::string(path) + ".h") || tree.paths.contains(std::string(path) + ".cc");
}

// The first path of ours in a line of prose that leads nowhere; empty: none does.
std::string_view stale_path(const Tree& tree, std::string_view prose) {
  for (const std::string_view folder :
       {"models/", "sim/", "traces/", "kvm-backend/", "scenarios/", "tests/", "bench/"}) {
    for (size_t at = prose.find(folder); at != prose.npos; at = prose.find(folder, at + 1)) {
      // Not the middle of another path.
      if (at > 0 && kPathLetters.find(prose[at - 1]) != kPathLetters.npos) continue;
      const size_t end = std::min(prose.find_first_not_of(kPathLetters, at), prose.size());
      const std::string_view path = prose.substr(at, end - at);
      if (!leads_somewhere(tree, path)) return path;
    }
  }
  return {};
}

// The first name of a source without its folder, which no source of ours has; empty: none. (A .h may be another's.)
std::string_view stale_name(const std::set<std::string_view>& names, std::string_view prose) {
  constexpr std::string_view kEnding = ".cc";
  for (size_t dot = prose.find(kEnding); dot != prose.npos; dot = prose.find(kEnding, dot + 1)) {
    const size_t end = dot + kEnding.size();
    if (end < prose.size() && is_word(prose[end])) continue;
    size_t begin = dot;
    while (begin > 0 && is_word(prose[begin - 1])) --begin;
    if (begin == dot || (begin > 0 && kPathLetters.find(prose[begin - 1]) != kPathLetters.npos)) continue;
    if (!names.contains(prose.substr(begin, end - begin))) return prose.substr(begin, end - begin);
  }
  return {};
}

}  // namespace

Complaints check_paths_in_prose(const Tree& tree) {
  std::set<std::string_view> names;
  for (const SourceFile& file : tree.files)
    names.insert(std::string_view(file.path).substr(folder_of(file.path).size()));
  return each_line(tree, everywhere, [&](const SourceFile& file, std::string_view line) -> std::string {
    if (file.path.starts_with("tests/tidy/") || include_of(line)) return {};
    const std::string_view prose = prose_of(file, line);
    std::string_view stale = stale_path(tree, prose);
    if (stale.empty()) stale = stale_name(names, prose);
    return stale.empty() ? "" : fmt::format("{} is not there", stale);
  });
}

}  // namespace xensim::tidy
