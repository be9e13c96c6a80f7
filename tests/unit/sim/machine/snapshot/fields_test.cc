// No field of the machine's structs is forgotten by a snapshot: each is in the tables of fields, or named below with
// the reason why it need not be. Reads the sources as text, so that a field cannot hide.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <string>

#include "tests/unit/data_members.h"

using namespace xensim::test;

namespace {

using Reasons = std::map<std::string, const char*>;

constexpr const char* kFixed = "made from the scenario, the same in each run";
constexpr const char* kGlue = "refers to what the run was given";
constexpr const char* kOfTurn = "means something within a turn alone; a machine is saved between two";
constexpr const char* kExploring = "of exploration, which begins at a snapshot and makes none";
constexpr const char* kDerived = "follows from what is saved";

// A struct, its header below sim/, the sources that save it, and how they name one.
struct Struct {
  const char* name;
  const char* header;
  const char* sources[2];
  const char* prefix;
  Reasons not_saved;
  bool whole =
      true;  // the sources do nothing else; or only what their functions ...field(ar) and ...fields(ar) say counts
};

const Struct kStructs[] = {
    {"Machine",
     "machine/machine.h",
     {"machine/snapshot/machine_fields.cc", "machine/snapshot/machine_snapshot.cc"},
     "",
     {{"scenario_", kFixed},
      {"flavour_", kFixed},
      {"rings_", kFixed},
      {"options_", kGlue},
      {"recording_platform_", kGlue},
      {"recording_core_", kGlue},
      {"api_", kGlue},
      {"backend_", kGlue},
      {"invariants_", kFixed},
      {"memory_mark_", kFixed},
      {"cutting_", kOfTurn},
      {"locks_", kOfTurn},
      {"exploration_", kExploring},
      {"lanes_", kExploring},
      {"points_in_a_row_", kExploring},
      {"decided_", kExploring},
      {"clock_was_read_", kExploring},
      {"fibers_follow_", kExploring},
      {"finished_", "a machine that has ended is not saved"},
      {"prepared_", "true of each machine that runs"},
      {"actor_runs_", "counts when the core is to be saved and restored, a test of the core's"}}},
    {"Actors", "machine/actors.h", {"machine/actors.cc", "machine/actors.h"}, "", {{"runnable_", kDerived}}, false},
    {"DueWork",
     "machine/due_work.h",
     {"machine/due_work.cc", "machine/due_work.h"},
     "",
     {{"actors_", "the table has its own fields"}, {"scenario_", kFixed}, {"timers_", kFixed}, {"outside_", kFixed}},
     false},
    {"PlainTurns",
     "machine/plain_turns.h",
     {"machine/plain_turns.cc", "machine/plain_turns.h"},
     "",
     {{"saved_", "of this run: whether it has been saved"},
      {"line_seen_", "of this run: whether it is to be saved now"}},
     false},
    {"SoftResets",
     "machine/soft_resets.h",
     {"machine/soft_resets.cc", "machine/soft_resets.h"},
     "",
     {{"actors_", "the table has its own fields"}},
     false},
    {"Consoles",
     "machine/consoles.h",
     {"machine/consoles.cc", "machine/consoles.h"},
     "",
     {{"scenario_", kFixed}, {"listeners_", kGlue}},
     false},
    {"Domain",
     "machine/domain.h",
     {"machine/snapshot/machine_fields.cc", "machine/snapshot/machine_snapshot.cc"},
     "domain.",
     {{"id", kFixed}, {"config", kFixed}, {"ram", kFixed}, {"pieces", kFixed}, {"bytes", kFixed}, {"vcpus", kFixed}}},
    {"Actor",
     "machine/actor.h",
     {"machine/actors.cc", "machine/actors.h"},
     "actor.",
     {{"id", kFixed},
      {"info", kFixed},
      {"label", kFixed},
      {"domain", kFixed},
      {"fiber", "no fiber has begun: each entry into the core is over"},
      {"wants", kExploring},
      {"wants_exclusive", kExploring},
      {"takes_interrupt", kExploring},
      {"at", kExploring}},
     false},
    {"Outcome",
     "scenario/outcome.h",
     {"machine/snapshot/machine_fields.cc", "machine/snapshot/machine_snapshot.cc"},
     "outcome_.",
     {{"failure", "a machine that has failed is not saved"},
      {"wall_limited", "a machine that has failed is not saved"},
      {"stopped", kExploring},
      {"marker_missed", kExploring},
      {"became_fair", kExploring},
      {"console", "Consoles has the lines until the run is over"},
      {"ends", kDerived},
      {"instructions", kDerived},
      {"virtual_ns", kDerived},
      {"trace_hash", kDerived}}},
    {"SoftDomain",
     "soft/soft_domain.h",
     {"soft/soft_domain.cc", "soft/soft_domain.cc"},
     "",
     {{"machine_", kGlue},
      {"domain_", "the machine has it"},
      {"frames_", kGlue},
      {"files_", kFixed},
      {"points_", kFixed},
      {"running_", kOfTurn},
      {"running_vcpu_", kOfTurn}},
     false},
    {"Vcpu",
     "soft/soft_domain.h",
     {"soft/soft_domain.cc", "soft/soft_domain.cc"},
     "vcpu.",
     {{"domain", kFixed},
      {"actor", kFixed},
      {"pauses", kOfTurn},
      {"result", kOfTurn},
      {"key", kExploring},
      {"stopped_at", kExploring},
      {"passes_hypercall", kExploring},
      {"open", kExploring},
      {"held", kExploring},
      {"withheld", kExploring}},
     false},
    {"GuestDomain",
     "guest/guest_domain.h",
     {"guest/guest_fields.cc", "guest/guest_fields.cc"},
     "",
     {{"setup_", kFixed}, {"rings_", kFixed}, {"host_", kGlue}, {"core_asserts_", kOfTurn}}},
    {"Vcpu", "guest/guest_domain.h", {"guest/guest_fields.cc", "guest/guest_fields.cc"}, "self.", {}},
    {"Vcpu", "../models/x86/soft_cpu_impl.h", {"../models/x86/saved_cpu.cc", "../models/x86/saved_cpu.cc"}, "v.", {}},
    {"MsrFile", "../models/x86/msr.h", {"../models/x86/saved_cpu.cc", "../models/x86/saved_cpu.cc"}, "v.msrs.", {}},
    {"DomainServices", "guest/domain_services.h", {"guest/domain_services.cc", "guest/domain_services.cc"}, "", {}},
    {"EventQueue",
     "machine/event_queue.h",
     {"machine/event_queue.cc", "machine/due_work.cc"},
     "",
     {{"sequence_", "restored by arming in the same order"}}},
};

bool mentions(const std::string& text, const std::string& name) {
  return std::regex_search(text, std::regex("(^|[^A-Za-z_0-9])" + name + "($|[^A-Za-z_0-9])"));
}

// What stands in a source's functions of fields, one after another.
std::string functions_of_fields(const std::string& text) {
  static const std::regex head("fields?\\(StateArchive& ar[^;{]*\\{");
  std::string bodies;
  for (auto found = std::sregex_iterator(text.begin(), text.end(), head); found != std::sregex_iterator(); ++found) {
    size_t at = static_cast<size_t>(found->position() + found->length());
    for (int depth = 1; depth > 0 && at < text.size(); ++at) {
      depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
      bodies.push_back(text[at]);
    }
  }
  return bodies;
}

std::string source(const char* path) {
  return without_comments(read_source(std::string(XENSIM_SOURCE_DIR "/sim/") + path));
}

TEST_CASE("every field of the machine's structs is saved, or there is a reason") {
  for (const Struct& each : kStructs) {
    CAPTURE(each.name);
    const std::string sources = source(each.sources[0]) + source(each.sources[1]);
    const std::string tables = each.whole ? sources : functions_of_fields(sources);
    REQUIRE(!tables.empty());
    const auto names = data_members(source(each.header), each.name);
    REQUIRE(!names.empty());
    for (const std::string& name : names) {
      if (each.not_saved.count(name) != 0) continue;
      CHECK_MESSAGE(mentions(tables, std::regex_replace(each.prefix + name, std::regex("\\."), "\\.")), "sim/",
                    each.header, ": ", each.name, "::", name, " is not saved, and nothing says why");
    }
    for (const auto& reason : each.not_saved) {
      const std::string& name = reason.first;
      CHECK_MESSAGE(std::find(names.begin(), names.end(), name) != names.end(), each.name, " has no ", name);
    }
  }
}

}  // namespace
