// See schedule.h.
#include "sim/explore/strategies/schedule.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>
#include <sstream>
#include <string_view>

#include "sim/scenario/read_file.h"

namespace xensim::sim {

namespace {

constexpr std::string_view kMagic = "# xensim schedule 2";

// `d1v1 @ "name" #2 -> d1v0`; false: not of that form.
bool parse_decision(std::string_view line, Decision& decision) {
  const size_t at = line.find(" @ \"");
  const size_t name_end = line.rfind("\" #");
  const size_t arrow = line.rfind(" -> ");
  if (at == std::string_view::npos || name_end == std::string_view::npos || arrow == std::string_view::npos)
    return false;
  if (at == 0 || name_end < at + 4 || arrow < name_end + 4 || arrow + 4 >= line.size()) return false;
  decision.actor = line.substr(0, at);
  decision.point = line.substr(at + 4, name_end - at - 4);
  const std::string_view number = line.substr(name_end + 3, arrow - name_end - 3);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), decision.occurrence);
  if (error != std::errc() || end != number.data() + number.size() || decision.occurrence == 0) return false;
  decision.to = line.substr(arrow + 4);
  return true;
}

}  // namespace

std::string format_schedule(const Schedule& schedule) {
  std::string text = fmt::format("{}\nscenario: {}\nhash: {}\n", kMagic, schedule.scenario, schedule.hash);
  for (const Decision& decision : schedule.decisions) {
    text += fmt::format("{} @ \"{}\" #{} -> {}\n", decision.actor, decision.point, decision.occurrence, decision.to);
  }
  return text;
}

Result<Schedule> parse_schedule(const std::string& path, const std::string& text) {
  Schedule schedule;
  std::istringstream in(text);
  std::string line;
  size_t number = 0;
  while (std::getline(in, line)) {
    ++number;
    if (number == 1) {
      if (line != kMagic)
        return input_error(fmt::format("{}:1: is not a schedule: it must begin with \"{}\"", path, kMagic));
      continue;
    }
    if (line.empty() || line[0] == '#') continue;
    if (line.rfind("scenario: ", 0) == 0) {
      schedule.scenario = line.substr(10);
    } else if (line.rfind("hash: ", 0) == 0) {
      schedule.hash = line.substr(6);
    } else if (Decision decision; parse_decision(line, decision)) {
      schedule.decisions.push_back(std::move(decision));
    } else {
      return input_error(fmt::format("{}:{}: a decision has the form: d1v0 @ \"point\" #1 -> d1v1, not: {}", path,
                                     number, line.substr(0, 80)));
    }
  }
  if (number == 0) return input_error(fmt::format("{}: is empty", path));
  return schedule;
}

Result<std::string> scenario_hash(const Scenario& scenario, const Snapshot* from) {
  XXH64_hash_t hash = XXH64(scenario.text.data(), scenario.text.size(), 0);
  for (const GuestConfig& guest : scenario.guests) {
    XS_TRY(const auto image, read_file(guest.image));
    hash = XXH64(image.data(), image.size(), hash);
  }
  if (from != nullptr) {
    hash = XXH64(from->machine.data(), from->machine.size(), hash);
    hash = XXH64(from->core.data(), from->core.size(), hash);
    for (const PackedPages& piece : from->memory) hash = XXH64(piece.packed.data(), piece.packed.size(), hash);
  }
  return fmt::format("{:016x}", hash);
}

Status check_schedule(const Schedule& schedule, const Scenario& scenario, const Snapshot* from,
                      const std::string& path) {
  if (schedule.scenario != scenario.name) {
    return input_error(fmt::format("{}: was made for scenario {}, not for {}", path, schedule.scenario, scenario.name));
  }
  XS_TRY(const auto hash, scenario_hash(scenario, from));
  if (schedule.hash != hash) {
    return input_error(
        fmt::format("{}: is stale: the scenario or its guest has changed since (hash {} then, {} now); explore again",
                    path, schedule.hash, hash));
  }
  return {};
}

}  // namespace xensim::sim
