// The command table: every command there is, in the order of --help. A new one is a file sim/cli/<name>_command.cc with
// a make function, declared and listed here.
#pragma once

#include <memory>
#include <span>

#include "sim/cli/command.h"

namespace xensim::sim {

std::unique_ptr<Command> make_compare_command();
std::unique_ptr<Command> make_demo_command();
std::unique_ptr<Command> make_doctor_command();
std::unique_ptr<Command> make_explore_command();
std::unique_ptr<Command> make_mutants_command();
std::unique_ptr<Command> make_list_command();
std::unique_ptr<Command> make_boot_command();
std::unique_ptr<Command> make_replay_command();
std::unique_ptr<Command> make_run_command();
std::unique_ptr<Command> make_shrink_command();
std::unique_ptr<Command> make_trace_command();
std::unique_ptr<Command> make_version_command();

std::span<const CommandEntry> all_commands();

}  // namespace xensim::sim
