#include "tests/tidy/tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace xensim::tidy {

namespace {

namespace fs = std::filesystem;

SourceFile read_source(const fs::path& root, const fs::path& path) {
  SourceFile file;
  file.path = path.lexically_relative(root).generic_string();
  std::ifstream in(path, std::ios::binary);
  file.text.assign(std::istreambuf_iterator<char>(in), {});
  return file;
}

void add_path(Tree& tree, std::string_view path) {
  tree.paths.emplace(path);
  for (size_t slash = path.rfind('/'); slash != path.npos; slash = path.rfind('/', slash - 1)) {
    tree.paths.emplace(path.substr(0, slash));
    if (slash == 0) return;
  }
}

}  // namespace

std::vector<std::string_view> SourceFile::lines() const {
  std::vector<std::string_view> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

Tree make_tree(std::vector<SourceFile> files) {
  Tree tree;
  tree.files = std::move(files);
  std::sort(tree.files.begin(), tree.files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  for (const SourceFile& file : tree.files) add_path(tree, file.path);
  return tree;
}

Tree read_tree(const std::string& root) {
  std::vector<SourceFile> files;
  std::vector<std::string> others;
  for (const char* folder : {"models", "sim", "traces", "kvm-backend", "scenarios", "tests", "bench", "docs"}) {
    if (!fs::exists(fs::path(root) / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(root) / folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string path = entry.path().generic_string();
      if (any_of_suffixes(path,
                          {".h", ".cc", ".def", ".c", ".S", ".lds", ".toml", ".cmake", "CMakeLists.txt", ".md"})) {
        files.push_back(read_source(root, entry.path()));
      } else {
        others.push_back(entry.path().lexically_relative(root).generic_string());
      }
    }
  }
  files.push_back(read_source(root, fs::path(root) / "README.md"));
  Tree tree = make_tree(std::move(files));
  for (const std::string& path : others) add_path(tree, path);
  return tree;
}

bool any_of_suffixes(std::string_view path, std::initializer_list<std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [path](std::string_view s) { return path.ends_with(s); });
}

bool any_of_prefixes(std::string_view path, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [path](std::string_view s) { return path.starts_with(s); });
}

bool is_cxx(const SourceFile& file) { return any_of_suffixes(file.path, {".h", ".cc", ".def"}); }
bool is_code(const SourceFile& file) { return is_cxx(file) || any_of_suffixes(file.path, {".c", ".S"}); }
bool is_document(const SourceFile& file) { return file.path.ends_with(".md"); }

std::string_view folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash + 1);
}

bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'); }

bool has_word(std::string_view line, std::string_view word) {
  for (size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool starts = at == 0 || !is_word(line[at - 1]) || !is_word(word.front());
    const bool ends = end == line.size() || !is_word(line[end]) || !is_word(word.back());
    if (starts && ends) return true;
  }
  return false;
}

std::string_view code_of(std::string_view line) { return line.substr(0, line.find("//")); }

std::string_view prose_of(const SourceFile& file, std::string_view line) {
  if (is_document(file)) return line;
  const std::string_view mark = is_code(file) ? "//" : "#";
  const size_t at = line.find(mark);
  if (at != line.npos) return line.substr(at);
  // A line of a C comment.
  const size_t first = line.find_first_not_of(' ');
  if (is_code(file) && first != line.npos && (line[first] == '*' || line.substr(first, 2) == "/*")) return line;
  return {};
}

std::optional<std::string_view> include_of(std::string_view line) {
  if (!line.starts_with("#include ")) return std::nullopt;
  const std::string_view name = code_of(line.substr(9));
  return name.substr(0, name.find_last_of("\">") + 1);
}

}  // namespace xensim::tidy
