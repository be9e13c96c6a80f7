// See typed_command.h.
#include "sim/cli/typed_command.h"

#include <fmt/format.h>

#include <sstream>

namespace xensim::sim {

namespace {

constexpr size_t kLongestLine = 1000;  // busybox's line editor takes 1023 bytes

}  // namespace

Result<std::string> command_to_type(const std::string& command) {
  std::string quoted = "'";
  for (const char letter : command) {
    if (letter == '\'') {
      quoted += "'\\''";
    } else {
      quoted += letter;
    }
  }
  const std::string text = "sh -c " + quoted + "'; xensim-exit $?\n";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() <= kLongestLine) continue;
    return input_error(fmt::format("--exec: a line of {} characters cannot be typed at the shell: at most {}",
                                   line.size(), kLongestLine));
  }
  return text;
}

}  // namespace xensim::sim
