// The command line: from arguments to an exit status (0 as expected, 1 a failure was found, 2 bad input or usage, 3 the
// machine lacks something).
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace xensim::sim {

// `args` without the program's name. `terminal`: `err` is one, so progress is shown. Never throws.
int run_cli(std::vector<std::string> args, std::ostream& out, std::ostream& err, bool terminal);

}  // namespace xensim::sim
