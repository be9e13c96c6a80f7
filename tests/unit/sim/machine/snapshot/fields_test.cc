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
};

const Struct kStructs[] = {
    {"Machine",
     "machine.h",
     {"snapshot/machine_fields.cc", "snapshot/machine_snapshot.cc"},
     "",
     {{"scenario_", kFixed},
      {"flavour_", kFixed},
      {"rings_", kFixed},
      {"options_", kGlue},
      {"strategy_", kGlue},
      {"recording_platform_", kGlue},
      {"recording_core_", kGlue},
      {"api_", kGlue},
      {"timers_", kFixed},
      {"outside_", kFixed},
      {"invariants_", kFixed},
      {"memory_mark_", kFixed},
      {"cutting_", kOfTurn},
      {"waiters_", kOfTurn},
      {"drive_until_free_", kOfTurn},
      {"shared_holders_", kOfTurn},
      {"next_", kExploring},
      {"fair_", kExploring},
      {"counts_occurrences_", kExploring},
      {"occurrences_", kExploring},
      {"point_limit_", kExploring},
      {"fibers_follow_", kExploring},
      {"finished_", "a machine that has ended is not saved"},
      {"prepared_", "true of each machine that runs"},
      {"saved_", "of this run: whether it has been saved"},
      {"prompt_seen_", "of this run: whether it is to be saved now"},
      {"actor_runs_", "counts when the core is to be saved and restored, a test of the core's"},
      {"runnable_", kDerived}}},
    {"Domain",
     "machine.h",
     {"snapshot/machine_fields.cc", "snapshot/machine_snapshot.cc"},
     "domain.",
     {{"id", kFixed}, {"config", kFixed}, {"ram", kFixed}, {"pieces", kFixed}, {"bytes", kFixed}, {"vcpus", kFixed}}},
    {"Actor",
     "actor.h",
     {"snapshot/machine_fields.cc", "snapshot/machine_snapshot.cc"},
     "actor.",
     {{"id", kFixed},
      {"info", kFixed},
      {"label", kFixed},
      {"domain", kFixed},
      {"fiber", "no fiber has begun: each entry into the core is over"},
      {"at", kExploring}}},
    {"Outcome",
     "outcome.h",
     {"snapshot/machine_fields.cc", "snapshot/machine_snapshot.cc"},
     "outcome_.",
     {{"failure", "a machine that has failed is not saved"},
      {"wall_limited", "a machine that has failed is not saved"},
      {"ends", kDerived},
      {"instructions", kDerived},
      {"virtual_ns", kDerived},
      {"trace_hash", kDerived}}},
    {"SoftDomain",
     "soft_domain.h",
     {"snapshot/soft_fields.cc", "snapshot/soft_fields.cc"},
     "",
     {{"machine_", kGlue},
      {"index_", kFixed},
      {"files_", kFixed},
      {"points_", kFixed},
      {"running_", kOfTurn},
      {"core_asserts_", kOfTurn},
      {"running_vcpu_", kOfTurn}}},
    {"Vcpu",
     "soft_domain.h",
     {"snapshot/soft_fields.cc", "snapshot/soft_fields.cc"},
     "vcpu.",
     {{"domain", kFixed},
      {"actor", kFixed},
      {"pauses", kOfTurn},
      {"result", kOfTurn},
      {"stopped_instructions", kOfTurn}}},
    {"Vcpu", "../models/x86/soft_cpu_impl.h", {"../models/x86/saved_cpu.cc", "../models/x86/saved_cpu.cc"}, "v.", {}},
    {"MsrFile", "../models/x86/msr.h", {"../models/x86/saved_cpu.cc", "../models/x86/saved_cpu.cc"}, "v.msrs.", {}},
    {"DomainServices", "domain_services.h", {"domain_services.cc", "domain_services.cc"}, "", {}},
    {"EventQueue",
     "event_queue.h",
     {"event_queue.cc", "snapshot/machine_fields.cc"},
     "",
     {{"sequence_", "restored by arming in the same order"}}},
};

bool mentions(const std::string& text, const std::string& name) {
  return std::regex_search(text, std::regex("(^|[^A-Za-z_0-9])" + name + "($|[^A-Za-z_0-9])"));
}

// The functions of a source that save or restore.
std::string source(const char* path) {
  return without_comments(read_source(std::string(XENSIM_SOURCE_DIR "/sim/") + path));
}

TEST_CASE("every field of the machine's structs is saved, or there is a reason") {
  for (const Struct& each : kStructs) {
    CAPTURE(each.name);
    const std::string tables = source(each.sources[0]) + source(each.sources[1]);
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
