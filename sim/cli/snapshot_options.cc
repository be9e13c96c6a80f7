// See snapshot_options.h.
#include "sim/cli/snapshot_options.h"

#include <fmt/format.h>

#include "sim/cli/shell_prompt.h"
#include "sim/cli/trace_scenario.h"
#include "sim/machine/snapshot/snapshot_file.h"
#include "traces/describe.h"

namespace xensim::sim {

void declare_snapshot_options(CLI::App& app, SnapshotOptions& options) {
  CLI::Option* const at = app.add_option("--snapshot-at", options.at,
                                         "save the machine then, and end: a virtual time, or SHELL: at its prompt")
                              ->type_name("SHELL|TIME");
  CLI::Option* const save = app.add_option("--save", options.save, "the file that it is saved to")->type_name("FILE");
  CLI::Option* const restore =
      app.add_option("--restore", options.restore, "go on from a machine that was saved")->type_name("FILE");
  at->needs(save);
  save->needs(at);
  restore->excludes(at)->excludes(save);
}

Result<std::optional<SnapshotPoint>> snapshot_point(const SnapshotOptions& options) {
  if (options.at.empty()) return std::optional<SnapshotPoint>();
  if (options.at == "SHELL") return std::optional(SnapshotPoint{{}, at_shell_prompt});
  const auto time = traces::parse_time(options.at);
  if (!time) {
    return input_error(fmt::format("--snapshot-at {}: neither SHELL nor a time like 10s or 5ms", options.at));
  }
  return std::optional(SnapshotPoint{time});
}

Result<OpenedSnapshot> open_snapshot(const std::string& path) {
  OpenedSnapshot opened;
  XS_TRY(opened.snapshot, read_snapshot(path));
  XS_TRY(opened.scenario, scenario_of_trace(path, opened.snapshot.info));
  return opened;
}

std::string saved_words(const std::string& path, uint64_t bytes) {
  if (bytes < (1 << 20)) return fmt::format("{}: {} KiB", path, (bytes + 1023) >> 10);
  return fmt::format("{}: {:.1f} MiB", path, static_cast<double>(bytes) / (1 << 20));
}

}  // namespace xensim::sim
