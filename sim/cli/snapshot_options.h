// The options of commands that save a machine, and of those that go on from one.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "models/base/result.h"
#include "sim/machine/snapshot/snapshot.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

struct SnapshotOptions {
  std::string at, save, restore;
};

// Declares --snapshot-at, --save and --restore.
void declare_snapshot_options(CLI::App& app, SnapshotOptions& options);

// When to save; nullopt: not at all. kInput: neither SHELL nor a time.
Result<std::optional<SnapshotPoint>> snapshot_point(const SnapshotOptions& options);

// A snapshot and the scenario that it carries, whose images are still those of then.
struct OpenedSnapshot {
  Snapshot snapshot;
  Scenario scenario;
};
Result<OpenedSnapshot> open_snapshot(const std::string& path);

// "PATH: 24.1 MiB": what a command says of a file that it saved.
std::string saved_words(const std::string& path, uint64_t bytes);

}  // namespace xensim::sim
