// Snapshot: a whole machine as it stood between two turns of a plain run: what it was made from, its own state and that
// of its guests' processors and devices, the core's, and memory. docs/snapshots.md has it as a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"
#include "models/base/types.h"
#include "sim/machine/snapshot/packed_pages.h"
#include "traces/trace_info.h"

namespace xensim::sim {

// One higher with each change of a table of fields outside the core (whose version is xen::kStateVersion).
inline constexpr uint32_t kSnapshotVersion = 7;

struct Snapshot {
  std::string name = "snapshot";   // for messages: the file
  traces::TraceInfo info;          // as a trace's header
  VirtualNs time{};                // when it was made
  std::vector<std::byte> machine;  // the fields of machine, processors and devices, in their order
  std::vector<std::byte> core;     // models/xen/state/save.h
  std::vector<PackedPages> memory;
};

// When a run is to be saved: before the first turn at or after `at`; without it, before the first one in which all
// vCPUs wait and `at_line` holds of the unfinished line on the first guest's console.
struct SnapshotPoint {
  std::optional<VirtualNs> at;
  std::function<bool(std::string_view)> at_line = {};  // set where `at` is not
};

}  // namespace xensim::sim
