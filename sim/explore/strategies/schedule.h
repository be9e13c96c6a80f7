// Schedule: the decisions that make one execution of a scenario, as text that can be read and edited.
//
//   # xensim schedule 2
//   scenario: poller
//   hash: 6b1f0c...            of the scenario's text and images
//   d1v1 @ "rmw poll_mask" #1 -> d1v0
//
// A line: when actor d1v1 is for the first time at the point of that name, the lane d1v0 goes on (strategy.h: d1v0.irq
// is its interrupt, clock lets time jump to what is due). Where no line says otherwise an actor goes on until it blocks
// or spins, then the next one in order; interrupts are taken as they come; time moves where nothing else can.
// Version 1 was of a clock that moved at each point.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

struct Decision {
  std::string actor;
  std::string point;
  uint64_t occurrence = 1;
  std::string to;
  friend bool operator==(const Decision&, const Decision&) = default;
};

struct Schedule {
  std::string scenario;
  std::string hash;
  std::vector<Decision> decisions;
  friend bool operator==(const Schedule&, const Schedule&) = default;
};

std::string format_schedule(const Schedule& schedule);
// kInput, naming file and line. `path` is for messages alone.
Result<Schedule> parse_schedule(const std::string& path, const std::string& text);
// 16 hexadecimal digits over the scenario's text (seed and schedule apart) and its guests' images, and over the
// snapshot from which all runs begin, where there is one.
Result<std::string> scenario_hash(const Scenario& scenario, const Snapshot* from = nullptr);
// kInput where the schedule was made for another scenario, or for another state of it: says which.
Status check_schedule(const Schedule& schedule, const Scenario& scenario, const Snapshot* from,
                      const std::string& path);

}  // namespace xensim::sim
