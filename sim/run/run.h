// One execution of a scenario, from options to outcome, with or without a trace on disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/machine/machine.h"
#include "sim/scenario/outcome.h"
#include "sim/scenario/scenario.h"
#include "traces/trace_info.h"

namespace xensim::sim {

// Written into every trace.
inline constexpr const char* kVersion = "0.1.0";

struct RunOptions {
  BackendKind backend = BackendKind::kSoft;
  uint64_t seed = 0;
  std::string schedule_path;  // a schedule to follow; empty: a plain run
  std::string schedule_text;  // the same, at hand; wins over the path
  bool explain = true;        // where it fails, run it again to tell the last events
  std::string record_path;    // empty: only the hash is made
  std::function<void(const std::string&)> on_console;
  std::function<void(std::string_view)> on_console_bytes;
  const WallLimit* wall = nullptr;     // borrowed; nullptr: as long as it takes
  LiveInput* input = nullptr;          // what is typed while it runs
  traces::EventSink* watch = nullptr;  // sees every event too, may be nullptr
  // The run goes on from here, and is of the same scenario; borrowed. nullptr: from the beginning.
  const Snapshot* from = nullptr;
  // When the run is saved and ends, and to which file.
  std::optional<SnapshotPoint> snapshot;
  std::string save_path;
  std::function<void(uint64_t bytes)> on_saved;  // the file is written, and so large; may be empty
};

// kInput: the scenario cannot run so (backend, flavour, image, schedule). kEnvironment: the host lacks something.
Result<Outcome> run_scenario(const Scenario& scenario, const RunOptions& options);

// A machine for the scenario; reset() it before each run. `from`: each run begins there, none at the beginning.
// kInput: `from` was made from another scenario, or by another engine.
Result<std::unique_ptr<Machine>> make_machine(const Scenario& scenario, BackendKind backend,
                                              const Snapshot* from = nullptr);

// The files that a run of the scenario starts from, as traces name them.
Result<std::vector<traces::ImageInfo>> images_of(const Scenario& scenario);
// What traces say of a backend's engine; empty: it has none.
std::string engine_of(BackendKind backend);

// The header of a trace of this run.
Result<traces::TraceInfo> trace_info(const Scenario& scenario, const Machine& machine, BackendKind backend,
                                     uint64_t seed, const std::string& schedule_text);

}  // namespace xensim::sim
