// No field of the core's structs is forgotten by their tables (models/xen/state/*_fields.cc): each is saved, or skipped
// with a reason. Reads the headers as text, so that a field cannot hide.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string without_comments(const std::string& text) {
  static const std::regex comment("//[^\n]*");
  return std::regex_replace(text, comment, "");
}

// The body of `class name` or `struct name` in the text, empty where it is not there.
std::string body_of(const std::string& text, const std::string& name) {
  std::smatch found;
  const std::regex head("(class|struct) (XS_CAPABILITY )?" + name + "( final)?( : [^{;]*)? \\{");
  if (!std::regex_search(text, found, head)) return "";
  const auto begin = static_cast<size_t>(found.position() + found.length());
  int depth = 1;
  size_t at = begin;
  for (; depth > 0 && at < text.size(); ++at) depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
  return text.substr(begin, at - begin - 1);
}

// The declarations of a class's body: what is in braces is left out, and a function's body ends its declaration.
std::vector<std::string> declarations(const std::string& body) {
  std::vector<std::string> list;
  std::string current;
  int depth = 0;
  const auto finish = [&] {
    list.push_back(current);
    current.clear();
  };
  for (const char c : body) {
    if (c == '{') ++depth;
    if (depth == 0) {
      if (c == ';') {
        finish();
      } else {
        current.push_back(c);
      }
    }
    if (c == '}' && --depth == 0) {
      current += "{}";
      if (current.find('(') != std::string::npos) finish();
    }
  }
  return list;
}

// The name that a declaration gives a data member; empty: it declares something else.
std::string member_name(std::string text) {
  static const std::regex attributes("XS_[A-Z_]+(\\([^)]*\\))?");
  static const std::regex labels("(public|private|protected):");
  static const std::regex other("^\\s*(using|static|friend|template|struct|class|enum|explicit|virtual|~)");
  static const std::regex name("([A-Za-z_][A-Za-z_0-9]*)\\s*(\\{\\}|=[^]*|\\[[^\\]]*\\])?\\s*$");
  text = std::regex_replace(std::regex_replace(text, attributes, ""), labels, "");
  if (text.find('(') != std::string::npos || std::regex_search(text, other)) return "";
  std::smatch found;
  return std::regex_search(text, found, name) ? found[1].str() : "";
}

struct Struct {
  const char* name;
  const char* header;
};

// Those of fields.h.
constexpr Struct kStructs[] = {
    {"RamRange", "core_api.h"},
    {"DomainConfig", "core_api.h"},
    {"Domain", "domain.h"},
    {"HypercallRegs", "abi/regs.h"},
    {"Runstate", "vcpu.h"},
    {"Vcpu", "vcpu.h"},
    {"Pirq", "pirq.h"},
    {"PirqTable", "pirq.h"},
    {"Channel", "evtchn_table.h"},
    {"EvtchnTable", "evtchn_table.h"},
    {"FifoQueue", "evtchn_fifo.h"},
    {"FifoState", "evtchn_fifo.h"},
    {"ActiveEntry", "grant_table.h"},
    {"GrantTable", "grant_table.h"},
    {"MaptrackEntry", "maptrack.h"},
    {"Maptrack", "maptrack.h"},
    {"PageReferences", "page_references.h"},
    {"P2mEntry", "p2m_entry.h"},
    {"MemoryRange", "p2m.h"},
    {"P2m", "p2m.h"},
};

TEST_CASE("every field of the core's structs is in its table") {
  const fs::path folder = XENSIM_SOURCE_DIR "/models/xen";
  std::string tables;
  for (const auto& entry : fs::directory_iterator(folder / "state")) {
    if (entry.path().string().ends_with("_fields.cc")) tables += read_text(entry.path());
  }
  for (const Struct& each : kStructs) {
    const std::string body = body_of(without_comments(read_text(folder / each.header)), each.name);
    REQUIRE_MESSAGE(!body.empty(), each.name, " is not in ", each.header);
    const size_t start = tables.find("fields_of(StateArchive& ar, " + std::string(each.name) + "& ");
    REQUIRE_MESSAGE(start != std::string::npos, each.name, " has no table");
    const std::string table = tables.substr(start, tables.find("\ntemplate <>", start) - start);
    size_t members = 0;
    for (const std::string& declaration : declarations(body)) {
      const std::string name = member_name(declaration);
      if (name.empty()) continue;
      ++members;
      CHECK_MESSAGE(table.find('"' + name + '"') != std::string::npos, "models/xen/", each.header, ": ", each.name,
                    "::", name, " is neither saved nor skipped in models/xen/state");
    }
    CHECK_MESSAGE(members > 0, each.name);
  }
}

TEST_CASE("declarations are told apart") {
  const std::string body = body_of(
      "class X {\n public:\n  explicit X(int a) : a_(a) {}\n  int f() const { return 1; }\n  Lock lock;\n"
      "  int a_ XS_GUARDED_BY(lock) = 0;\n  std::array<int, 3> list{};\n private:\n  struct Y { int z; };\n"
      "  static constexpr int kOne = 1;\n  int last;\n};",
      "X");
  std::vector<std::string> names;
  for (const std::string& declaration : declarations(body)) {
    if (const std::string name = member_name(declaration); !name.empty()) names.push_back(name);
  }
  CHECK(names == std::vector<std::string>{"lock", "a_", "list", "last"});
}

}  // namespace
