// See run.h.
#include "sim/run/run.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <optional>

#include "models/xen/api/flavour.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/machine/snapshot/snapshot_file.h"
#include "sim/native/native_machine.h"
#include "sim/run/last_events.h"
#include "sim/scenario/read_file.h"
#include "sim/soft/soft_machine.h"
#include "traces/describe.h"
#include "traces/trace_file.h"

namespace xensim::sim {

namespace {

constexpr size_t kLastEvents = 20;  // of each actor, in a failure's report

// The last events before a failure. Nothing of the sort is kept while a run goes well: the same run once more tells.
std::string last_events(Machine& machine, MachineOptions options, Strategy* strategy, const std::string& where) {
  LastEvents sink(kLastEvents);
  options.sink = &sink;
  options.strategy = strategy;
  options.on_console = nullptr;
  options.on_console_bytes = nullptr;
  options.input = nullptr;
  options.hash = nullptr;
  machine.reset(options);
  if (machine.run().wall_limited) return {};  // they are another run's
  return sink.describe(machine.actor_table(), where);
}

// The schedule to follow, checked against the scenario; nullopt: none was asked for.
Result<std::optional<Schedule>> wanted_schedule(const Scenario& scenario, const RunOptions& options) {
  if (options.schedule_path.empty() && options.schedule_text.empty()) return std::optional<Schedule>();
  std::string text = options.schedule_text;
  const std::string name = options.schedule_path.empty() ? "schedule" : options.schedule_path;
  if (text.empty()) {
    XS_TRY(const auto file, read_file(options.schedule_path));
    text.assign(reinterpret_cast<const char*>(file.data()), file.size());
  }
  XS_TRY(auto schedule, parse_schedule(name, text));
  XS_TRY_STATUS(check_schedule(schedule, scenario, options.from, name));
  return std::optional<Schedule>(std::move(schedule));
}

Status add_image(std::vector<traces::ImageInfo>& images, const std::string& path, uint16_t dom) {
  XS_TRY(const auto image, read_file(path));
  images.push_back({path, fmt::format("{:016x}", XXH3_64bits(image.data(), image.size())), dom});
  return {};
}

Status check_snapshot(const Snapshot& from, const Scenario& scenario, BackendKind backend) {
  if (backend != BackendKind::kSoft || from.info.backend != backend_name(backend)) {
    return input_error(
        fmt::format("{}: is of backend {}; snapshots are of backend soft alone", from.name, from.info.backend));
  }
  if (from.info.engine_version != SoftMachine::engine_version()) {
    return input_error(fmt::format("{}: was made with {}; this is {}", from.name, from.info.engine_version,
                                   SoftMachine::engine_version()));
  }
  if (from.info.scenario_name != scenario.name || from.info.scenario_text != scenario.text) {
    return input_error(fmt::format("{}: was made from scenario {}, and not from {} as it is now", from.name,
                                   from.info.scenario_name, scenario.name));
  }
  return {};
}

// What does not go together is said before anything runs.
Status check_options(const RunOptions& options) {
  if (options.from != nullptr && !options.record_path.empty()) {
    return input_error("--record: a trace begins with its machine, not at a snapshot");
  }
  if (!options.snapshot) return {};
  if (options.backend != BackendKind::kSoft)
    return input_error("--snapshot-at: a run on backend soft alone can be saved");
  if (!options.schedule_path.empty() || !options.schedule_text.empty()) {
    return input_error("--snapshot-at: a run that follows a schedule cannot be saved");
  }
  return {};
}

// The run was to be saved, and is over.
Status check_saved(const Outcome& outcome, const SnapshotPoint& point) {
  if (outcome.saved || outcome.failure) return {};
  if (!point.at) return input_error("--snapshot-at SHELL: the run ended before a shell's prompt came");
  return input_error(fmt::format("--snapshot-at {}: the run ended at {}", traces::describe_time(*point.at),
                                 traces::describe_time(VirtualNs{outcome.virtual_ns})));
}

}  // namespace

Result<std::unique_ptr<Machine>> make_machine(const Scenario& scenario, BackendKind backend, const Snapshot* from) {
  if (from != nullptr) XS_TRY_STATUS(check_snapshot(*from, scenario, backend));
  XS_TRY(const auto flavour, xen::flavour_by_name(scenario.flavour));
  if (scenario.flavour.starts_with("kvm") && scenario.guests.size() > 1) {
    return input_error(fmt::format("{}: flavour kvm has one domain, the scenario has {} guests", scenario.path,
                                   scenario.guests.size()));
  }
  if (std::find(scenario.backends.begin(), scenario.backends.end(), backend) == scenario.backends.end()) {
    return input_error(fmt::format("{}: does not run on backend {}: machine.backends does not name it", scenario.path,
                                   backend_name(backend)));
  }
  switch (backend) {
    case BackendKind::kNative: {
      for (const GuestConfig& guest : scenario.guests) {
        if (guest.platform == GuestPlatform::kBare && guest.memory_bytes <= kLowRamEnd) continue;
        return input_error(
            fmt::format("{}: guest {} runs on backend soft alone: native has no devices and 3 GiB of "
                        "memory at most",
                        scenario.path, guest.name));
      }
      XS_TRY(auto machine, NativeMachine::make(scenario, flavour));
      return std::unique_ptr<Machine>(std::move(machine));
    }
    case BackendKind::kSoft: {
      XS_TRY(auto machine, SoftMachine::make(scenario, flavour, from != nullptr));
      return std::unique_ptr<Machine>(std::move(machine));
    }
    case BackendKind::kKvm: break;
  }
  return environment_error("backend kvm is not part of this version; use soft or native");
}

Result<std::vector<traces::ImageInfo>> images_of(const Scenario& scenario) {
  std::vector<traces::ImageInfo> images;
  for (size_t d = 0; d < scenario.guests.size(); ++d) {
    const GuestConfig& guest = scenario.guests[d];
    XS_TRY_STATUS(add_image(images, guest.image, static_cast<uint16_t>(d + 1)));
    // 0: the scenario's own paths lead to these.
    if (!guest.initrd.empty()) XS_TRY_STATUS(add_image(images, guest.initrd, 0));
    if (!guest.busybox.empty()) XS_TRY_STATUS(add_image(images, guest.busybox, 0));
  }
  return images;
}

std::string engine_of(BackendKind backend) {
  return backend == BackendKind::kSoft ? SoftMachine::engine_version() : "";
}

Result<traces::TraceInfo> trace_info(const Scenario& scenario, const Machine& machine, BackendKind backend,
                                     uint64_t seed, const std::string& schedule_text) {
  traces::TraceInfo info;
  info.xensim_version = kVersion;
  info.engine_version = engine_of(backend);
  info.scenario_name = scenario.name;
  info.scenario_text = scenario.text;
  info.seed = seed;
  info.flavour = scenario.flavour;
  XS_TRY(const auto flavour, xen::flavour_by_name(scenario.flavour));
  info.traits = traces::traits_of(flavour);
  info.backend = std::string(backend_name(backend));
  info.schedule_text = schedule_text;
  info.actors = machine.actor_table();
  XS_TRY(info.images, images_of(scenario));
  return info;
}

namespace {

Status save(Snapshot snapshot, const Scenario& scenario, const Machine& machine, const RunOptions& options) {
  XS_TRY(snapshot.info, trace_info(scenario, machine, options.backend, options.seed, ""));
  XS_TRY(const uint64_t bytes, write_snapshot(options.save_path, snapshot));
  if (options.on_saved) options.on_saved(bytes);
  return {};
}

}  // namespace

Result<Outcome> run_scenario(const Scenario& scenario, const RunOptions& options) {
  XS_TRY_STATUS(check_options(options));
  XS_TRY(const auto schedule, wanted_schedule(scenario, options));
  XS_TRY(const auto machine, make_machine(scenario, options.backend, options.from));
  const auto make_strategy = [&]() -> std::unique_ptr<Strategy> {
    if (schedule) return std::make_unique<ReplayStrategy>(schedule->decisions, machine->labels());
    if (options.backend == BackendKind::kNative) return make_round_robin(options.seed);
    return nullptr;
  };
  const std::unique_ptr<Strategy> strategy = make_strategy();

  traces::HashSink hash;
  std::unique_ptr<traces::TraceWriter> writer;
  if (!options.record_path.empty()) {
    XS_TRY(const auto info, trace_info(scenario, *machine, options.backend, options.seed,
                                       schedule ? format_schedule(*schedule) : std::string()));
    XS_TRY(writer, traces::TraceWriter::create(options.record_path, info));
  }
  traces::EventSink* sink = writer ? static_cast<traces::EventSink*>(writer.get()) : &hash;
  std::optional<traces::TeeSink> tee;
  if (options.watch != nullptr) sink = &tee.emplace(*sink, *options.watch);

  MachineOptions machine_options;
  machine_options.seed = options.seed;
  machine_options.strategy = strategy.get();
  machine_options.sink = sink;
  machine_options.on_console = options.on_console;
  machine_options.on_console_bytes = options.on_console_bytes;
  machine_options.input = options.input;
  machine_options.from = options.from;
  machine_options.wall = options.wall;
  machine_options.hash = writer ? &writer->hash_sink() : &hash;
  machine_options.snapshot = options.snapshot;
  Status saved;
  machine_options.on_snapshot = [&](Snapshot snapshot) {
    saved = save(std::move(snapshot), scenario, *machine, options);
    return false;
  };
  machine->reset(machine_options);
  XS_TRY_STATUS(machine->prepare());
  Outcome outcome = machine->run();
  XS_TRY_STATUS(saved);
  if (options.snapshot) XS_TRY_STATUS(check_saved(outcome, *options.snapshot));
  outcome.trace_hash = traces::to_string(writer ? writer->hash() : hash.hash());
  if (writer) XS_TRY_STATUS(writer->finish(outcome.failure ? "fail: " + outcome.failure->message : "pass"));
  if (outcome.failure && options.explain && !outcome.wall_limited) {
    outcome.failure->report += last_events(*machine, machine_options, make_strategy().get(), outcome.failure->where);
  }
  return outcome;
}

}  // namespace xensim::sim
