// See cli.h.
#include "sim/cli/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <ostream>

#include "models/base/check.h"
#include "sim/cli/commands.h"
#include "sim/cli/write_file.h"

namespace xensim::sim {

namespace {

// One call of the program: what was declared and what was chosen.
struct Session {
  CLI::App app{"xensim: the Xen HVM guest ABI, deterministic: run, record, replay, explore", "xensim"};
  OutputOptions output;
  std::string junit;
  std::vector<std::unique_ptr<Command>> commands;  // in the table's order
  std::vector<CLI::App*> subcommands;
  std::string command = "";  // the chosen one's name, as far as known
};

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

void declare(Session& session) {
  CLI::App& app = session.app;
  app.require_subcommand(1);
  app.fallthrough();
  app.add_flag("--json", session.output.json, "one JSON object on standard output, nothing else there");
  app.add_flag("-q,--quiet", session.output.quiet, "no notes on standard error");
  app.add_flag_function(
      "-v,--verbose", [&session](int64_t count) { session.output.verbosity = static_cast<unsigned>(count); },
      "say more; run: each hypercall as it ends");
  app.add_option("--junit", session.junit, "write the result as a JUnit file too")->type_name("FILE");
  app.set_help_all_flag("--help-all", "help for every command");
  for (const CommandEntry& entry : all_commands()) {
    session.commands.push_back(entry.make());
    CLI::App* sub = app.add_subcommand(std::string(entry.name), std::string(entry.summary));
    sub->fallthrough();
    session.subcommands.push_back(sub);
    session.commands.back()->declare(*sub);
  }
}

// Its last words on the terminal.
void tell(Output& output, const Report& report) {
  if (report.result == ReportResult::kSkipped) output.note("skipped: " + report.why);
  if (exit_status(report) != 1 || !report.failure) return;
  const Failure& failure = *report.failure;
  output.error(fmt::format("{}: {}{}", failure_kind_name(failure.kind), failure.message,
                           failure.where.empty() ? "" : " (" + failure.where + ")"));
  if (!failure.report.empty()) output.error(failure.report);
  if (!report.reproduce.empty()) output.error("reproduce: " + report.reproduce);
}

Status write_junit(const Session& session, const std::string& subject, const Report& report, double wall_s) {
  if (session.junit.empty()) return {};
  return write_file(session.junit, report_junit(session.command, subject, report, wall_s));
}

// Runs the chosen command; our own broken promise becomes a report.
Result<Report> run_command(Command& command, Output& output) {
  try {
    return command.run(output);
  } catch (const CheckFailure& failure) {
    return failed(FailureKind::kCheck, first_line(failure.what()), "xensim itself");
  } catch (const std::bad_alloc&) {
    return environment_error("out of memory");
  } catch (const std::exception& error) {
    return failed(FailureKind::kCheck, first_line(error.what()), "xensim itself, unexpected exception");
  }
}

// What is wrong with the arguments; where no command was found, it is the first word that should have been one.
std::string usage_message(const Session& session, const std::vector<std::string>& args, const CLI::ParseError& error) {
  const bool is_word = !args.empty() && !args.front().empty() && args.front().front() != '-';
  if (session.command.empty() && is_word) return fmt::format("there is no command {}", args.front());
  return first_line(error.what());
}

// A mistake in the arguments, as one line and where to look.
int usage_error(const Session& session, const std::string& message, std::ostream& out, std::ostream& err) {
  const std::string hint = session.command.empty() ? "xensim --help" : fmt::format("xensim {} --help", session.command);
  if (session.output.json) out << error_json(session.command, {ErrorKind::kInput, message}, 0) << '\n';
  err << fmt::format("xensim: {} (see {})\n", message, hint) << std::flush;
  return static_cast<int>(ErrorKind::kInput);
}

int run_session(Session& session, const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  const auto start = std::chrono::steady_clock::now();
  declare(session);
  // For messages about arguments that do not parse.
  session.output.json = std::find(args.begin(), args.end(), "--json") != args.end();
  for (const CommandEntry& entry : all_commands()) {
    if (std::find(args.begin(), args.end(), entry.name) != args.end() && session.command.empty())
      session.command = entry.name;
  }
  try {
    session.app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::CallForHelp&) {
    out << session.app.help() << std::flush;
    return 0;
  } catch (const CLI::CallForAllHelp&) {
    out << session.app.help("", CLI::AppFormatMode::All) << std::flush;
    return 0;
  } catch (const CLI::ParseError& error) {
    return usage_error(session, usage_message(session, args, error), out, err);
  }

  size_t chosen = 0;
  while (!session.subcommands[chosen]->parsed()) ++chosen;
  session.command = all_commands()[chosen].name;
  Output output(out, err, session.output);
  Result<Report> report = run_command(*session.commands[chosen], output);
  output.progress("");
  const double wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (report) {
    const Status written = write_junit(session, args.size() > 1 ? args[1] : session.command, *report, wall_s);
    if (!written) report = tl::unexpected<Error>(written.error());
  }
  if (!report) {
    if (session.output.json) out << error_json(session.command, report.error(), wall_s) << '\n' << std::flush;
    output.error("xensim: " + report.error().message);
    return static_cast<int>(report.error().kind);
  }
  if (session.output.json) out << report_json(session.command, *report, wall_s) << '\n' << std::flush;
  tell(output, *report);
  return exit_status(*report);
}

}  // namespace

int run_cli(std::vector<std::string> args, std::ostream& out, std::ostream& err, bool terminal) {
  try {
    Session session;
    session.output.progress = terminal;
    return run_session(session, args, out, err);
  } catch (const std::exception& error) {
    err << "xensim: " << first_line(error.what()) << '\n' << std::flush;
    return 1;
  }
}

}  // namespace xensim::sim
