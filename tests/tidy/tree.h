// The tree as tidy looks at it: files with their lines, from disk or put together by a test.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace xensim::tidy {

struct SourceFile {
  std::string path;  // relative to the repository's root
  std::string text;
  std::vector<std::string_view> lines() const;  // of `text`, without their ends
};

struct Tree {
  std::vector<SourceFile> files;  // those that a person edits, sorted by path
  std::set<std::string> paths;    // of every file and folder, those among them that no rule reads
};

// Every file of ours below `root`; sorted, so that complaints come in the same order everywhere.
Tree read_tree(const std::string& root);
// A tree of these files alone.
Tree make_tree(std::vector<SourceFile> files);

bool any_of_suffixes(std::string_view path, std::initializer_list<std::string_view> suffixes);
bool any_of_prefixes(std::string_view path, std::initializer_list<std::string_view> prefixes);
bool is_cxx(const SourceFile& file);   // .h .cc .def
bool is_code(const SourceFile& file);  // those, and C and assembly
bool is_document(const SourceFile& file);
// The folder of a path, with its last slash; empty at the root.
std::string_view folder_of(std::string_view path);

bool is_word(char c);
// Whether `word` is in `line`, not as a part of a longer word.
bool has_word(std::string_view line, std::string_view word);
// The line without its // comment. (A // in a string literal cuts too much: no rule here minds.)
std::string_view code_of(std::string_view line);
// What a line says to people: the comment of code and scripts, all of a document.
std::string_view prose_of(const SourceFile& file, std::string_view line);
// The file that an #include line names, with its quotes or angle brackets; nothing for other lines.
std::optional<std::string_view> include_of(std::string_view line);

}  // namespace xensim::tidy
