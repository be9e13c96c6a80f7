// xensim boot: a whole guest OS. The kernel, its initrd and all options become a scenario, so that a trace of the boot
// can be replayed and run again like any other.
#include <fmt/format.h>

#include <toml++/toml.h>
#include <optional>
#include <sstream>

#include "sim/boot/initramfs.h"
#include "sim/cli/boot_input.h"
#include "sim/cli/boot_summary.h"
#include "sim/cli/call_printer.h"
#include "sim/cli/commands.h"
#include "sim/cli/kernel_cache.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/cli/snapshot_options.h"
#include "sim/cli/terminal_input.h"
#include "sim/cli/typed_command.h"
#include "sim/cli/wall_clock.h"
#include "sim/cli/write_file.h"
#include "sim/run/run.h"
#include "sim/scenario/read_file.h"
#include "traces/describe.h"

namespace xensim::sim {

namespace {

struct BootOptions {
  std::string kernel = "debian:6.1-cloud";
  std::string initrd, append, command, record;
  std::string platform = "pvh", flavour = "xen", memory = "512M", time_limit = "600s";
  uint64_t vcpus = 1, seed = 0;
};

Result<std::string> scenario_text(const BootOptions& options) {
  toml::table guest;
  XS_TRY(const std::string kernel, find_kernel(options.kernel));
  XS_TRY(const std::string image, user_file("--kernel", kernel));
  guest.insert("name", "linux");
  guest.insert("image", image);
  if (!options.initrd.empty()) {
    XS_TRY(const std::string initrd, user_initrd(options.initrd));
    guest.insert("initrd", initrd);
  } else {
    XS_TRY(const std::string busybox, find_busybox());
    guest.insert("busybox", busybox);
    if (!options.command.empty()) guest.insert("command", options.command);
  }
  guest.insert("cmdline", options.append);
  guest.insert("platform", options.platform);
  guest.insert("vcpus", static_cast<int64_t>(options.vcpus));
  guest.insert("memory", options.memory);
  toml::table machine;
  machine.insert("flavour", options.flavour);
  machine.insert("time_limit", options.time_limit);
  machine.insert("seed", static_cast<int64_t>(options.seed));
  toml::table root;
  root.insert("machine", machine);
  root.insert("guest", toml::array{guest});
  std::ostringstream out;
  out << toml::toml_formatter{root} << '\n';
  return std::move(out).str();
}

class BootCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--kernel", options_.kernel, "a bzImage, or an ELF with a PVH entry; debian:NAME: Debian's")
        ->type_name("IMG")
        ->capture_default_str();
    app.add_option("--initrd", options_.initrd, "else a bundled one: busybox")->type_name("FILE");
    app.add_option("--append", options_.append, "the kernel's command line, behind the console's")->type_name("STR");
    app.add_option("--exec", options_.command, "run this in the bundled initramfs, and exit with its status")
        ->type_name("CMD");
    app.add_option("--write-initrd", write_initrd_, "write the bundled initramfs to a file, and boot nothing")
        ->type_name("FILE");
    app.add_option("--platform", options_.platform, "pvh, or pc: the Linux boot protocol and a PC's devices")
        ->check(CLI::IsMember({"pvh", "pc"}))
        ->capture_default_str();
    app.add_option("--vcpus", options_.vcpus, "1 to 128")
        ->type_name("N")
        ->check(CLI::Range(1, 128))
        ->capture_default_str();
    app.add_option("--memory", options_.memory, "2M to 16G")->type_name("SIZE")->capture_default_str();
    app.add_option("--seed", options_.seed, "of the vCPUs' turns")
        ->type_name("N")
        ->check(whole_number())
        ->capture_default_str();
    app.add_option("--flavour", options_.flavour, "xen or kvm")
        ->check(CLI::IsMember({"xen", "kvm"}))
        ->capture_default_str();
    app.add_option("--time-limit", options_.time_limit, "virtual time")->type_name("TIME")->capture_default_str();
    app.add_option("--record", options_.record, "write a trace")->type_name("TRACE");
    declare_engine_option(app, engine_);
    declare_snapshot_options(app, snapshot_);
    declare_wall_limit(app, wall_);
    for (const char* name : {"--kernel", "--initrd", "--append", "--write-initrd", "--platform", "--vcpus", "--memory",
                             "--seed", "--flavour", "--time-limit", "--record"}) {
      app.get_option("--restore")->excludes(app.get_option(name));
    }
  }

  Result<Report> run(Output& output) override {
    if (!options_.initrd.empty() && !options_.command.empty()) {
      return input_error("--exec needs the bundled initramfs: leave --initrd out");
    }
    if (!write_initrd_.empty()) return write_initrd();
    XS_TRY(const auto point, snapshot_point(snapshot_));
    if (point && !point->at && !options_.command.empty()) {
      return input_error(
          "--exec runs a command instead of a shell: give it with --restore, not with --snapshot-at SHELL");
    }
    XS_TRY(const auto wall, wall_limit_of(wall_));
    RunOptions run;
    run.wall = wall.get();
    run.snapshot = point;
    run.save_path = snapshot_.save;
    run.on_saved = [&](uint64_t bytes) { output.note("saved " + saved_words(snapshot_.save, bytes)); };
    if (!snapshot_.restore.empty()) return restore(output, run);
    BootOptions options = options_;
    options.append = "console=hvc0 " + options_.append;
    XS_TRY(const std::string text, scenario_text(options));
    auto parsed = parse_scenario("boot", text, image_paths(), {});
    if (!parsed) return tl::unexpected<Error>(in_options_words(parsed.error()));
    apply_engine_option(engine_, *parsed);
    run.seed = options_.seed;
    run.record_path = options_.record;
    return execute(output, *parsed, run);
  }

 private:
  // From a snapshot; --exec is typed.
  Result<Report> restore(Output& output, RunOptions run) {
    XS_TRY(auto opened, open_snapshot(snapshot_.restore));
    std::optional<TypedCommand> typed;
    if (!options_.command.empty()) {
      XS_TRY(auto text, command_to_type(options_.command));
      run.input = &typed.emplace(std::move(text));
    }
    options_.seed = run.seed = opened.snapshot.info.seed;
    apply_engine_option(engine_, opened.scenario);
    run.from = &opened.snapshot;
    return execute(output, opened.scenario, run);
  }

  Result<Report> execute(Output& output, const Scenario& scenario, RunOptions run) {
    CallPrinter calls([&](const std::string& line) { output.note(line); });
    run.explain = false;
    run.on_console_bytes = [&](std::string_view bytes) { output.print_raw(bytes); };
    tell_engine(output, scenario);
    BootSummary counts;
    run.watch = &counts;
    std::optional<traces::TeeSink> both;
    if (output.verbose()) run.watch = &both.emplace(counts, calls);
    std::optional<TerminalInput> terminal;
    if (options_.command.empty() && !output.json() && !run.snapshot) run.input = &terminal.emplace();
    const auto ran = run_scenario(scenario, run);
    if (!ran) return tl::unexpected<Error>(in_options_words(ran.error()));
    const Outcome& outcome = *ran;
    const bool left = terminal && terminal->quit();
    terminal.reset();
    output.note(summary(outcome));
    for (const std::string& line : counts.lines(outcome.virtual_ns - (run.from != nullptr ? run.from->time.v : 0),
                                                scenario.clock.ns_per_instruction)) {
      output.note("  " + line);
    }
    Report result = report(outcome);
    if (left) {
      result.result = ReportResult::kPass;
      result.failure.reset();
    }
    return result;
  }

  Result<Report> write_initrd() const {
    XS_TRY(const std::string path, find_busybox());
    XS_TRY(const auto busybox, read_file(path));
    const auto archive = make_initramfs(busybox, options_.command);
    XS_TRY_STATUS(write_file(write_initrd_, {reinterpret_cast<const char*>(archive.data()), archive.size()}));
    return Report{};
  }

  static std::string summary(const Outcome& outcome) {
    return fmt::format("boot: {}; {} hypercalls, {} instructions, {} virtual, trace hash {}",
                       outcome.ends.empty() ? "" : outcome.ends.front().how, outcome.hypercalls, outcome.instructions,
                       traces::describe_time(VirtualNs{outcome.virtual_ns}), outcome.trace_hash);
  }

  Report report(const Outcome& outcome) const {
    Report report;
    report.seed = options_.seed;
    set_outcome(report, outcome);
    report.reproduce = reproduce();
    // The command's own status is the answer that was asked for.
    if (!options_.command.empty() && outcome.test_exit) {
      report.result = ReportResult::kPass;
      report.failure.reset();
      report.status = static_cast<int>(*outcome.test_exit & 0xff);
    }
    return report;
  }

  std::string reproduce() const {
    if (!snapshot_.restore.empty()) {
      const std::string exec = options_.command.empty() ? "" : " --exec " + shell_word(options_.command);
      return "xensim boot --restore " + shell_word(snapshot_.restore) + exec;
    }
    std::string words = "xensim boot --kernel " + shell_word(options_.kernel);
    const auto add = [&](const char* option, const std::string& value) {
      if (!value.empty()) words += fmt::format(" {} {}", option, shell_word(value));
    };
    add("--initrd", options_.initrd);
    add("--append", options_.append);
    add("--exec", options_.command);
    add("--platform", options_.platform);
    add("--vcpus", std::to_string(options_.vcpus));
    add("--memory", options_.memory);
    add("--seed", std::to_string(options_.seed));
    add("--flavour", options_.flavour);
    add("--time-limit", options_.time_limit);
    return words;
  }

  BootOptions options_;
  SnapshotOptions snapshot_;
  std::string write_initrd_, wall_, engine_;
};

}  // namespace

std::unique_ptr<Command> make_boot_command() { return std::make_unique<BootCommand>(); }

}  // namespace xensim::sim
