#include "tests/unit/data_members.h"

#include <fstream>
#include <iterator>
#include <regex>

namespace xensim::test {

std::string read_source(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string without_comments(const std::string& text) {
  static const std::regex comment("//[^\n]*");
  return std::regex_replace(text, comment, "");
}

namespace {

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

}  // namespace

std::vector<std::string> data_members(const std::string& text, const std::string& name) {
  std::vector<std::string> names;
  for (const std::string& declaration : declarations(body_of(text, name))) {
    if (std::string member = member_name(declaration); !member.empty()) names.push_back(std::move(member));
  }
  return names;
}

}  // namespace xensim::test
