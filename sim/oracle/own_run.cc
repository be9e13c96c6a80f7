// See own_run.h.
#include "sim/oracle/own_run.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "models/viridian/groups.h"
#include "sim/run/run.h"

namespace xensim::sim {

namespace {

// Guests by number: their names are the programs', which may be twice in a run.
Scenario scenario_of(const OracleRun& run, const std::string& flavour) {
  Scenario scenario;
  scenario.name = run.programs.front();
  scenario.path = run.programs.front();
  scenario.flavour = flavour;
  scenario.checks = true;
  return scenario;
}

GuestConfig guest_of(const OracleRun& run, const std::string& image, size_t number) {
  GuestConfig guest;
  guest.name = fmt::format("g{}", number);
  guest.image = image;
  guest.vcpus = run.vcpus;
  guest.memory_bytes = uint64_t{run.memory_mib} << 20;
  guest.hvm = run.hvm;
  guest.platform = GuestPlatform::kPvh;  // with what the real ones' toolstack and QEMU give: rings, ACPI, start info
  if (run.viridian) guest.viridian = viridian::kDefaults;
  guest.event_channels = run.event_channels.value_or(0);
  return guest;
}

// Like the real ones' debug port: whole lines, in the order of the programs. A guest that said nothing is never good.
void add_lines(std::vector<std::string>& lines, const Outcome& outcome, const std::string& guest,
               const std::string& program) {
  bool silent = true;
  for (const ConsoleLine& line : outcome.console) {
    if (line.guest != guest) continue;
    lines.push_back(fmt::format("{}: {}", program, line.text));
    silent = false;
  }
  for (const DomainEnd& end : outcome.ends) {
    if (end.guest == guest) lines.push_back(fmt::format("{}= {}{}", program, end.how, silent ? ", silent" : ""));
  }
}

}  // namespace

Result<std::vector<std::string>> run_here(const OracleRun& run, const std::vector<std::string>& images,
                                          const std::string& flavour, EngineKind engine, const WallLimit* wall) {
  XS_CHECK(images.size() == run.programs.size());
  std::vector<std::string> lines;
  const std::vector<std::string> names = transcript_names(run);
  const size_t at_once = run.together ? images.size() : 1;
  for (size_t first = 0; first < images.size(); first += at_once) {
    Scenario scenario = scenario_of(run, flavour);
    scenario.engine = engine;
    for (size_t i = first; i < first + at_once; ++i) scenario.guests.push_back(guest_of(run, images[i], i));
    RunOptions options;
    options.wall = wall;
    XS_TRY(const auto outcome, run_scenario(scenario, options));
    for (size_t i = first; i < first + at_once; ++i)
      add_lines(lines, outcome, scenario.guests[i - first].name, names[i]);
  }
  return lines;
}

}  // namespace xensim::sim
