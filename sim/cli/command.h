// Command: one row of the command table (commands.h), one file sim/cli/<name>_command.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "models/base/result.h"
#include "sim/cli/output.h"
#include "sim/cli/report.h"

namespace xensim::sim {

// Made once, declared once, run at most once. A user's or host's mistake is returned as an Error (status 2 or 3); a
// failure that was found is a Report (status 1).
class Command {
 public:
  virtual ~Command() = default;
  // Declares arguments and options; values are stored in the command itself. --json, -q, -v and --junit are there
  // already.
  virtual void declare(CLI::App& app) = 0;
  virtual Result<Report> run(Output& output) = 0;
};

struct CommandEntry {
  std::string_view name;
  std::string_view summary;  // a line of --help
  std::unique_ptr<Command> (*make)();
};

}  // namespace xensim::sim
