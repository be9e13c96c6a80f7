// See commands.h.
#include "sim/cli/commands.h"

namespace xensim::sim {

namespace {

constexpr CommandEntry kCommands[] = {
    {"demo", "a race, found, shrunk, replayed and explained", make_demo_command},
    {"run", "run a scenario, or any PVH ELF guest with defaults", make_run_command},
    {"boot", "a whole guest OS: a Linux kernel, unmodified", make_boot_command},
    {"replay", "a trace again, at the core alone or by running its guests once more", make_replay_command},
    {"trace", "info, show, diff, check or export of traces", make_trace_command},
    {"explore", "search schedules for a failure", make_explore_command},
    {"mutants", "plant known defects, and see that the search finds them", make_mutants_command},
    {"shrink", "the shortest schedule that still fails, of a recorded failure", make_shrink_command},
    {"compare", "the same guest here and on the real Xen and the real KVM, side by side", make_compare_command},
    {"list", "what there is: scenarios, hypercalls, flavours, backends", make_list_command},
    {"doctor", "what this machine offers, and what is missing", make_doctor_command},
    {"version", "the version of xensim and of its software CPU", make_version_command},
};

}  // namespace

std::span<const CommandEntry> all_commands() { return kCommands; }

}  // namespace xensim::sim
