// See real_run.h.
#include "sim/oracle/real_run.h"

#include <fmt/format.h>

#include "sim/process/spawn.h"

namespace xensim::sim {

std::span<const RealOne> all_real_ones() {
  static const RealOne kAll[] = {
      {"xen", "xen-oracle", {}, false},
      {"kvm", "kvm-oracle", {}, true},
  };
  return kAll;
}

const RealOne* find_real_one(std::string_view flavour) {
  for (const RealOne& real : all_real_ones()) {
    if (real.flavour == flavour) return &real;
  }
  return nullptr;
}

namespace {

std::vector<std::string> command_line(const RealOne& real, const OracleRun& run, const std::vector<std::string>& images,
                                      const RealOptions& options) {
  std::vector<std::string> words = {fmt::format("{}/{}", options.folder, real.script)};
  words.insert(words.end(), real.options.begin(), real.options.end());
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  add({"-v", std::to_string(run.vcpus), "-m", std::to_string(run.memory_mib), "-t", std::to_string(options.seconds)});
  if (run.together) add({"--together"});
  if (run.hvm) add({"--hvm"});
  if (run.viridian) add({"-x", "viridian=1"});
  if (run.event_channels) add({"-x", fmt::format("max_event_channels={}", *run.event_channels)});
  if (!options.log.empty()) add({"--log", options.log});
  if (real.flavour == "kvm" && !options.kvm_kernel.empty()) add({"--kernel", options.kvm_kernel});
  if (real.flavour == "kvm" && !options.kvm_modules.empty()) add({"--modules", options.kvm_modules});
  words.insert(words.end(), images.begin(), images.end());
  return words;
}

// Its lines begin with the stems of the images' names, which need not be the run's.
Result<Transcript> read_answer(const RealOne& real, const OracleRun& run, const std::string& folder,
                               const std::string& text) {
  const size_t end = text.find('\n');
  if (!text.starts_with("# ") || end == std::string::npos) {
    return environment_error(
        fmt::format("{}/{} printed no transcript; is it xensim's own? XENSIM_ORACLES says where it is looked for",
                    folder, real.script));
  }
  return parse_transcript(std::string(real.script), fmt::format("{}\n# run: {}\n{}", text.substr(0, end),
                                                                format_oracle_run(run), text.substr(end + 1)));
}

}  // namespace

Result<Transcript> run_real(const RealOne& real, const OracleRun& run, const std::vector<std::string>& images,
                            const RealOptions& options) {
  if (real.one_domain && (run.together || run.hvm || run.event_channels)) {
    return input_error(
        fmt::format("{} has one domain of one kind: --together, --hvm and --event-channels are Xen's", real.flavour));
  }
  XS_TRY(const auto spawned, spawn(command_line(real, run, images, options), options.on_note));
  if (spawned.status == 2) return input_error(spawned.last_note);
  if (spawned.status > 2) {
    return environment_error(spawned.last_note.empty() ? fmt::format("{} died ({})", real.script, spawned.status)
                                                       : spawned.last_note);
  }
  return read_answer(real, run, options.folder, spawned.out);
}

}  // namespace xensim::sim
