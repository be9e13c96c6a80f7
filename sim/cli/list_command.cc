// xensim list: scenarios, hypercalls, flavours or backends, from the tables that the program itself works by.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "models/xen/abi/table.h"
#include "models/xen/flavour.h"
#include "sim/cli/commands.h"
#include "sim/cli/paths.h"
#include "sim/scenario.h"
#include "sim/soft_machine.h"

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
    output.print(fmt::format("{:>2} {}{}", call.number, call.name, call.hvm ? "" : "  (not for HVM guests: -ENOSYS)"));
    Json subops = Json::array();
    for (const xen::abi::SubopInfo& subop : xen::abi::all_subops()) {
      if (subop.call != call.number) continue;
      output.print(fmt::format("     {:>3} {}", subop.number, subop.name));
      subops.push_back({{"number", subop.number}, {"name", subop.name}});
    }
    items.push_back({{"number", call.number}, {"name", call.name}, {"hvm", call.hvm}, {"subops", std::move(subops)}});
  }
  return items;
}

Json list_flavours(Output& output) {
  Json items = Json::array();
  output.print("xen: Xen 4.17. kvm: Linux 6.12's KVM with QEMU 10. They differ in:");
  for (const xen::TraitInfo& trait : xen::all_traits()) {
    output.print(fmt::format("{}\n    xen: {}\n    kvm: {}", trait.name, trait.xen, trait.kvm));
    items.push_back({{"trait", trait.name}, {"xen", trait.xen}, {"kvm", trait.kvm}, {"in_kvm", trait.in_kvm}});
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
  add("kvm", "not part of this version");
  return items;
}

class ListCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("what", what_, "scenarios, hypercalls, flavours or backends")
        ->type_name("WHAT")
        ->required()
        ->check(CLI::IsMember({"scenarios", "hypercalls", "flavours", "backends"}));
  }

  Result<Report> run(Output& output) override {
    Report report;
    if (what_ == "scenarios") report.items = list_scenarios(output);
    if (what_ == "hypercalls") report.items = list_hypercalls(output);
    if (what_ == "flavours") report.items = list_flavours(output);
    if (what_ == "backends") report.items = list_backends(output);
    return report;
  }

 private:
  std::string what_;
};

}  // namespace

std::unique_ptr<Command> make_list_command() { return std::make_unique<ListCommand>(); }

}  // namespace xensim::sim
