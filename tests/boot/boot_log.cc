// See boot_log.h.
#include "tests/boot/boot_log.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>

namespace xensim {

namespace {

constexpr const char* kTroubles[] = {"warning",  "bug:",   " stall", "oops",     "call trace", "lockup", "missed",
                                     "spurious", "failed", "unable", "unstable", "timed out",  "error",  "vulnerable"};
constexpr const char* kGrave[] = {"warning: cpu", "bug:", " stall", "oops", "call trace", "lockup", "missed", "lost"};

// Without "[    1.234567] ".
std::string without_time(const std::string& line) {
  const size_t end = line.find("] ");
  return line.starts_with("[") && end != std::string::npos ? line.substr(end + 2) : line;
}

bool is_number(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::set<std::string> lines_with(const std::vector<std::string>& lines, std::span<const char* const> words) {
  std::set<std::string> found;
  for (const std::string& line : lines) {
    if (!line.starts_with("[")) continue;
    const std::string text = without_time(line);
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto holds = [&](const char* word) { return lower.find(word) != std::string::npos; };
    if (std::any_of(words.begin(), words.end(), holds)) found.insert(text);
  }
  return found;
}

}  // namespace

std::set<std::string> troubles(const std::vector<std::string>& lines) { return lines_with(lines, kTroubles); }

std::set<std::string> grave(const std::vector<std::string>& lines) { return lines_with(lines, kGrave); }

std::set<std::string> interrupts(const std::vector<std::string>& lines) {
  std::set<std::string> found;
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string word, row;
    words >> word;
    if (word.size() < 2 || word.back() != ':' || !is_number(word.substr(0, word.size() - 1))) continue;
    row = word.substr(0, word.size() - 1);
    while (words >> word) {
      if (!is_number(word)) row += " " + word;
    }
    found.insert(row);
  }
  return found;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> console_of(const std::string& report) {
  const auto parsed = nlohmann::json::parse(report);
  std::string text;
  for (const auto& line : parsed["console"]) text += line.get<std::string>() + "\n";
  return lines_of(text);
}

bool has(const std::vector<std::string>& lines, const std::string& what) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(what) != std::string::npos; });
}

std::string joined(const std::set<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::set<std::string> alone(const std::set<std::string>& lines, const std::set<std::string>& known) {
  std::set<std::string> rest;
  std::set_difference(lines.begin(), lines.end(), known.begin(), known.end(), std::inserter(rest, rest.end()));
  return rest;
}

}  // namespace xensim
