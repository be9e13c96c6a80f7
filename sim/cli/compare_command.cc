// xensim compare: the same guests here and on the real Xen and the real KVM, transcripts side by side.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "models/xen/api/flavour.h"
#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/cli/scenario_options.h"
#include "sim/cli/wall_clock.h"
#include "sim/oracle/own_run.h"
#include "sim/oracle/real_run.h"
#include "sim/oracle/side_by_side.h"

namespace xensim::sim {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kMostColumn = 76;

struct Side {
  std::string title;
  std::vector<std::string> lines;
};

Json json_of(const Side& left, const Side& right, const std::vector<SideBySide>& rows) {
  Json lines = Json::array();
  const auto text = [](const std::optional<std::string>& line) { return line ? Json(*line) : Json(nullptr); };
  for (const SideBySide& row : rows) {
    lines.push_back(
        {{"left", text(row.left)}, {"right", text(row.right)}, {"same", row.agreement != Agreement::kDiffers}});
  }
  return {{"left", left.title}, {"right", right.title}, {"differences", count_differences(rows)}, {"lines", lines}};
}

class CompareCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("guests", guests_, "PVH guests, one run each")->type_name("GUEST.elf")->required();
    app.add_option("--with", with_, "the real ones to ask: xen, kvm")->type_name("LIST")->delimiter(',');
    app.add_option("--flavour", flavours_, "without --with: the flavours to compare; xen and kvm")
        ->type_name("LIST")
        ->delimiter(',');
    app.add_option("--vcpus", vcpus_, "of every guest")->type_name("N")->check(whole_number());
    app.add_option("--memory", memory_, "of every guest, like 64M")->type_name("SIZE");
    app.add_flag("--together", run_.together, "all guests at once, as domains 1, 2, ...: for those that talk");
    declare_engine_option(app, engine_);
    app.add_flag("--hvm", run_.hvm, "the real Xen makes type=hvm domains, not type=pvh");
    app.add_option("--event-channels", channels_, "the highest that every guest may have; Xen's alone")
        ->type_name("N")
        ->check(whole_number());
    app.add_option("--kvm-kernel", real_.kvm_kernel, "a kernel of your own under the real KVM")->type_name("IMAGE");
    app.add_option("--kvm-modules", real_.kvm_modules, "the folder with its kvm modules")->type_name("DIR");
    app.add_option("--limit", limit_, "seconds for each guest on a real one, 60")
        ->type_name("N")
        ->check(whole_number());
    declare_wall_limit(app, wall_);
    app.add_option("--log", real_.log, "keep the real machine's console")->type_name("FILE");
    app.add_flag("--differences", only_differences_, "print only lines that differ");
  }

  Result<Report> run(Output& output) override {
    XS_TRY_STATUS(check());
    real_.on_note = [&](const std::string& line) { output.note(line); };
    if (with_.empty()) XS_TRY_STATUS(compare_flavours(output));
    for (const std::string& flavour : with_) XS_TRY_STATUS(compare_with(flavour, output));

    Report report;
    if (differences_ > 0) {
      const char* text = differences_ == 1 ? "{} line differs" : "{} lines differ";
      report = failed(FailureKind::kDivergence, fmt::format(fmt::runtime(text), differences_), first_);
    }
    report.items = std::move(items_);
    report.reproduce = reproduce();
    return report;
  }

 private:
  // What the options leave open, and what cannot be.
  Status check() {
    std::string words = fmt::format("--vcpus {} --memory {} x", vcpus_.value_or(1),
                                    memory_.ends_with('M') ? memory_.substr(0, memory_.size() - 1) : memory_);
    if (channels_) words += fmt::format(" --event-channels {}", *channels_);
    XS_TRY(const OracleRun numbers, parse_oracle_run(words));
    run_.vcpus = numbers.vcpus;
    run_.event_channels = numbers.event_channels;
    run_.memory_mib = numbers.memory_mib;
    if (limit_ < 1 || limit_ > 100'000)
      return input_error(fmt::format("--limit {}: a number from 1 to 100000 is needed", limit_));
    real_.seconds = static_cast<uint32_t>(limit_);
    real_.folder = install_paths().oracles;
    for (const std::string& guest : guests_) {
      std::error_code error;
      if (!fs::is_regular_file(guest, error)) return input_error(fmt::format("{}: no such file", guest));
      run_.programs.push_back(fs::path(guest).stem().string());
    }
    return check_flavours();
  }

  Status check_flavours() {
    if (!with_.empty() && !flavours_.empty()) return input_error("--flavour is for a comparison without --with");
    for (const std::string& flavour : with_) {
      const RealOne* real = find_real_one(flavour);
      if (real == nullptr) return input_error(fmt::format("--with {}: there are xen and kvm", flavour));
      if (real->one_domain && (run_.together || run_.hvm || run_.event_channels)) {
        return input_error(
            fmt::format("--with {}: it has one domain; --together, --hvm and --event-channels are Xen's", flavour));
      }
    }
    XS_TRY_STATUS(check_kvm());
    if (with_.empty() && flavours_.empty()) {
      flavours_ = {"xen"};
      if (!run_.together) flavours_.push_back("kvm");
    }
    for (const std::string& flavour : flavours_) XS_TRY_STATUS(xen::flavour_by_name(flavour));
    return {};
  }

  Status check_kvm() const {
    const bool kvm = std::find(with_.begin(), with_.end(), "kvm") != with_.end();
    if ((!real_.kvm_kernel.empty() || !real_.kvm_modules.empty()) && !kvm) {
      return input_error("--kvm-kernel and --kvm-modules need --with kvm");
    }
    std::error_code error;
    if (!real_.kvm_kernel.empty() && !fs::is_regular_file(real_.kvm_kernel, error)) {
      return input_error(fmt::format("--kvm-kernel {}: no such file", real_.kvm_kernel));
    }
    if (!real_.kvm_modules.empty() && !fs::is_directory(real_.kvm_modules, error)) {
      return input_error(fmt::format("--kvm-modules {}: no such folder", real_.kvm_modules));
    }
    return {};
  }

  Result<Side> here(const std::string& flavour) const {
    Side side{"here, flavour " + flavour, {}};
    XS_TRY(const auto wall, wall_limit_of(wall_));
    XS_TRY(side.lines,
           run_here(run_, guests_, flavour, engine_by_name(engine_).value_or(EngineKind::kFast), wall.get()));
    return side;
  }

  // The first flavour with each other one; alone it is only shown.
  Status compare_flavours(Output& output) {
    XS_TRY(const Side left, here(flavours_.front()));
    if (flavours_.size() == 1) {
      for (const std::string& line : left.lines) output.print(line);
      items_.push_back({{"left", left.title}, {"lines", left.lines}});
    }
    for (size_t i = 1; i < flavours_.size(); ++i) {
      XS_TRY(const Side right, here(flavours_[i]));
      show(output, left, right);
    }
    return {};
  }

  Status compare_with(const std::string& flavour, Output& output) {
    // The real one first: where it cannot run, that is said at once.
    XS_TRY(Transcript answer, run_real(*find_real_one(flavour), run_, guests_, real_));
    XS_TRY(const Side left, here(flavour));
    show(output, left, {answer.versions, std::move(answer.lines)});
    return {};
  }

  void show(Output& output, const Side& left, const Side& right) {
    const std::vector<SideBySide> rows = align(left.lines, right.lines);
    const size_t width = std::max(left_width(rows, kMostColumn), left.title.size());
    output.print(format_row({left.title, right.title, Agreement::kSame}, width));
    for (const SideBySide& row : rows) {
      const bool differs = row.agreement == Agreement::kDiffers;
      if (differs || !only_differences_) output.print(format_row(row, width));
      if (differs && first_.empty()) first_ = row.left ? *row.left : *row.right;
    }
    differences_ += count_differences(rows);
    items_.push_back(json_of(left, right, rows));
  }

  std::string reproduce() const {
    std::string words = "xensim compare";
    for (const std::string& guest : guests_) words += " " + shell_word(guest);
    if (!with_.empty()) words += fmt::format(" --with {}", fmt::join(with_, ","));
    if (with_.empty()) words += fmt::format(" --flavour {}", fmt::join(flavours_, ","));
    if (run_.vcpus != 1) words += fmt::format(" --vcpus {}", run_.vcpus);
    if (run_.memory_mib != 64) words += fmt::format(" --memory {}M", run_.memory_mib);
    if (run_.together) words += " --together";
    if (run_.hvm) words += " --hvm";
    if (run_.event_channels) words += fmt::format(" --event-channels {}", *run_.event_channels);
    if (!real_.kvm_kernel.empty()) words += " --kvm-kernel " + shell_word(real_.kvm_kernel);
    if (!real_.kvm_modules.empty()) words += " --kvm-modules " + shell_word(real_.kvm_modules);
    return words;
  }

  std::vector<std::string> guests_, with_, flavours_;
  std::string engine_;
  std::optional<uint64_t> vcpus_, channels_;
  std::string memory_ = "64M";
  uint64_t limit_ = 60;
  std::string wall_;  // of each flavour's runs here
  OracleRun run_;
  RealOptions real_;
  bool only_differences_ = false;

  size_t differences_ = 0;
  std::string first_;  // the first line that differs
  Json items_ = Json::array();
};

}  // namespace

std::unique_ptr<Command> make_compare_command() { return std::make_unique<CompareCommand>(); }

}  // namespace xensim::sim
