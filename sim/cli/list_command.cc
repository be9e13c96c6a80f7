// xensim list: scenarios, hypercalls, flavours or backends, from the tables that the program itself works by.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "models/xen/abi/reference.h"
#include "models/xen/abi/state.h"
#include "models/xen/abi/table.h"
#include "models/xen/api/flavour.h"
#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/scenario/scenario.h"
#include "sim/soft/soft_machine.h"

namespace xensim::sim {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Every *.toml below the folder, sorted.
std::vector<std::string> scenario_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".toml") files.push_back(at->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Json list_scenarios(Output& output) {
  Json items = Json::array();
  for (const std::string& file : scenario_files(install_paths().scenarios)) {
    const auto scenario = load_scenario(file, image_paths(), {});
    const std::string description = scenario ? scenario->description : "cannot be used: " + scenario.error().message;
    output.print(fmt::format("{:<44} {}", short_path(file), description));
    items.push_back(
        {{"path", short_path(file)}, {"name", scenario ? scenario->name : ""}, {"description", description}});
  }
  return items;
}

Json list_hypercalls(Output& output) {
  Json items = Json::array();
  for (const xen::abi::HypercallInfo& call : xen::abi::all_hypercalls()) {
    const std::string state = xen::abi::describe_state(xen::abi::state_of(call));
    Json subops = Json::array();
    for (const xen::abi::SubopInfo& subop : xen::abi::all_subops()) {
      if (subop.call != call.number) continue;
      const std::string text = xen::abi::describe_state(xen::abi::state_of(subop));
      subops.push_back({{"number", subop.number}, {"name", subop.name}, {"state", text}});
    }
    output.print(fmt::format("{:>2} {:<32}{}", call.number, call.name, subops.empty() ? state : ""));
    for (const Json& subop : subops) {
      output.print(fmt::format("     {:>3} {:<40}{}", subop["number"].get<uint32_t>(), subop["name"].get<std::string>(),
                               subop["state"].get<std::string>()));
    }
    items.push_back({{"number", call.number},
                     {"name", call.name},
                     {"hvm", call.hvm},
                     {"state", state},
                     {"subops", std::move(subops)}});
  }
  return items;
}

// The presets in which a trait is on.
std::vector<std::string_view> presets_with(const xen::TraitInfo& trait) {
  std::vector<std::string_view> names;
  for (const xen::PresetInfo& preset : xen::all_presets()) {
    if (preset.flavour.*trait.value) names.push_back(preset.name);
  }
  return names;
}

// The transcripts that show a trait, and the line: "poll_wake: closed port" is a line of poll_wake.xen.txt and of the
// other one's.
std::string evidence_text(const xen::TraitInfo& trait) {
  const size_t colon = trait.evidence.find(": ");
  if (colon == std::string_view::npos || (!trait.in_kvm && !trait.later)) return std::string(trait.evidence);
  return fmt::format("tests/oracle/{}.{{xen,{}}}.txt: {}", trait.evidence.substr(0, colon),
                     trait.later ? "xen-4.20" : "kvm", trait.evidence.substr(colon + 2));
}

Json list_flavours(Output& output) {
  Json items = Json::array();
  for (const xen::PresetInfo& preset : xen::all_presets()) {
    output.print(fmt::format("{}: {}", preset.name, preset.description));
  }
  output.print(
      "\nThey differ in these traits. `xen` is a trait that is off; in brackets are the presets where it is on.");
  for (const xen::TraitInfo& trait : xen::all_traits()) {
    const std::vector<std::string_view> presets = presets_with(trait);
    output.print(fmt::format("{} [{}]\n    off: {}\n    on:  {}\n    evidence: {}", trait.name,
                             fmt::join(presets, ", "), trait.off, trait.on, evidence_text(trait)));
    items.push_back({{"trait", trait.name},
                     {"off", trait.off},
                     {"on", trait.on},
                     {"presets", presets},
                     {"evidence", trait.evidence}});
  }
  return items;
}

Json list_backends(Output& output) {
  Json items = Json::array();
  const auto add = [&](std::string_view name, const std::string& text) {
    output.print(fmt::format("{:<8} {}", name, text));
    items.push_back({{"name", name}, {"description", text}});
  };
  add("soft", fmt::format("the software CPU ({}): any PVH guest, bit for bit the same each time",
                          SoftMachine::engine_version()));
  add("native", "guest programs of scenarios/guest as host code: for exploration");
  return items;
}

class ListCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("what", what_, "scenarios, hypercalls, flavours or backends")
        ->type_name("WHAT")
        ->required()
        ->check(CLI::IsMember({"scenarios", "hypercalls", "flavours", "backends"}));
    app.add_flag("--reference", reference_, "hypercalls: the reference in Markdown, argument structs and all");
  }

  Result<Report> run(Output& output) override {
    if (reference_ && what_ != "hypercalls") return input_error("--reference is for `list hypercalls`");
    Report report;
    if (reference_) {
      output.print_raw(xen::abi::hypercall_reference());
      return report;
    }
    if (what_ == "scenarios") report.items = list_scenarios(output);
    if (what_ == "hypercalls") report.items = list_hypercalls(output);
    if (what_ == "flavours") report.items = list_flavours(output);
    if (what_ == "backends") report.items = list_backends(output);
    return report;
  }

 private:
  std::string what_;
  bool reference_ = false;
};

}  // namespace

std::unique_ptr<Command> make_list_command() { return std::make_unique<ListCommand>(); }

}  // namespace xensim::sim
