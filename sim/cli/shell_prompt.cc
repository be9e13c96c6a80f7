// See shell_prompt.h.
#include "sim/cli/shell_prompt.h"

#include <string>

namespace xensim::sim {

namespace {

constexpr char kEscape = '\x1b';

// Without sequences like ESC [ 6 n (ECMA-48, control sequences: they end with a byte from @ to ~).
std::string plain(std::string_view line) {
  std::string text;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] != kEscape) {
      text += line[at];
      continue;
    }
    if (at + 1 < line.size() && line[at + 1] == '[') ++at;
    do {
      ++at;
    } while (at < line.size() && (line[at] < '@' || line[at] > '~'));
  }
  return text;
}

}  // namespace

bool at_shell_prompt(std::string_view line) {
  const std::string text = plain(line);
  return text.ends_with("# ") || text.ends_with("$ ");
}

}  // namespace xensim::sim
