// xensim version.
#include <fmt/format.h>

#include "sim/cli/commands.h"
#include "sim/run/run.h"
#include "sim/soft/soft_machine.h"

namespace xensim::sim {

namespace {

class VersionCommand final : public Command {
 public:
  void declare(CLI::App&) override {}

  Result<Report> run(Output& output) override {
    Report report;
    report.items = nlohmann::ordered_json{{"xensim", kVersion}, {"engine", SoftMachine::engine_version()}};
    output.print(fmt::format("xensim {} ({})", kVersion, SoftMachine::engine_version()));
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> make_version_command() { return std::make_unique<VersionCommand>(); }

}  // namespace xensim::sim
