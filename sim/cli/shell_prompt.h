// Does a console show that a shell waits for a command?
#pragma once

#include <string_view>

namespace xensim::sim {

// `line` is what the console has on its last line: "/ # ", "$ ", with or without a terminal's control sequences.
bool at_shell_prompt(std::string_view line);

}  // namespace xensim::sim
