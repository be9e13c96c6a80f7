// See scenario.h.
#include "sim/scenario/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "models/viridian/groups.h"
#include "models/xen/api/flavour.h"
#include "sim/scenario/read_file.h"
#include "sim/scenario/scenario_toml.h"

namespace xensim::sim {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostSeed = INT64_MAX;  // TOML's integers
constexpr uint64_t kMostTime = 1'000'000'000'000;
constexpr size_t kMostGuests = 16;
constexpr size_t kMostText = 1 << 20;
constexpr size_t kMostCmdline = 2047;
constexpr std::string_view kNameRule = "1 to 64 letters, digits, '_', '-' or '.'";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

// A name made of a file's.
std::string name_of_file(const std::string& path) {
  std::string name = fs::path(path).stem().string().substr(0, 64);
  for (char& c : name) {
    if (!is_name({&c, 1})) c = '_';
  }
  return name.empty() ? "scenario" : name;
}

void read_name(ScenarioToml& toml, const toml::table& table, std::string_view where, std::string& out) {
  std::string name;
  if (!toml.text(table, where, "name", name)) return;
  if (!is_name(name)) {
    toml.complain(table, where, "name",
                  fmt::format("{} is not allowed ({})", show_node(*table.get("name")), kNameRule));
    return;
  }
  out = name;
}

void read_machine(ScenarioToml& toml, Scenario& scenario) {
  const toml::table* table = toml.table("machine");
  if (table == nullptr) return;
  toml.allow(*table, "machine",
             {"flavour", "seed", "backends", "slice", "time_limit", "checks", "engine", "explore_from"});
  toml.text(*table, "machine", "flavour", scenario.flavour);
  if (!xen::flavour_by_name(scenario.flavour)) {
    toml.complain(
        *table, "machine", "flavour",
        fmt::format("\"{}\" is not allowed (\"xen\", \"xen-4.20\", \"kvm\", each with +TRAIT)", scenario.flavour));
  }
  toml.number(*table, "machine", "seed", 0, kMostSeed, scenario.seed);
  toml.number(*table, "machine", "slice", 1, 1'000'000'000, scenario.slice);
  toml.time(*table, "machine", "time_limit", kMostTime, scenario.time_limit.v);
  std::string checks = "off";
  toml.choice(*table, "machine", "checks", {"off", "on"}, checks);
  scenario.checks = checks == "on";
  std::string from = "start";
  toml.choice(*table, "machine", "explore_from", {"start", "marker"}, from);
  scenario.explore_from_marker = from == "marker";
  std::string engine = "fast";
  toml.choice(*table, "machine", "engine", {"fast", "plain"}, engine);
  if (engine == "plain") scenario.engine = EngineKind::kPlain;

  std::vector<std::string> names;
  toml.texts(*table, "machine", "backends", names);
  if (!table->contains("backends")) return;
  scenario.backends.clear();
  for (const std::string& name : names) {
    const auto kind = backend_by_name(name);
    if (!kind || std::find(scenario.backends.begin(), scenario.backends.end(), *kind) != scenario.backends.end()) {
      toml.complain(*table, "machine", "backends",
                    fmt::format("\"{}\" is not allowed (each of \"soft\", \"native\", \"kvm\" at most once)", name));
      return;
    }
    scenario.backends.push_back(*kind);
  }
  if (scenario.backends.empty()) {
    toml.complain(*table, "machine", "backends", "an empty list is not allowed (\"soft\", \"native\", \"kvm\")");
  }
}

void read_clock(ScenarioToml& toml, ClockConfig& clock) {
  const toml::table* table = toml.table("clock");
  if (table == nullptr) return;
  toml.allow(*table, "clock",
             {"ns_per_instruction", "tsc_khz", "wallclock", "steal", "ns_per_spin", "stall_ns", "jump_ns"});
  toml.number(*table, "clock", "ns_per_instruction", 1, 1000, clock.ns_per_instruction);
  toml.number(*table, "clock", "tsc_khz", 1000, 10'000'000, clock.tsc_khz);
  toml.number(*table, "clock", "wallclock", 0, UINT32_MAX, clock.wallclock_s);
  std::string steal = "none";
  toml.choice(*table, "clock", "steal", {"none", "counted"}, steal);
  clock.steal = steal == "counted";
  toml.number(*table, "clock", "ns_per_spin", 1, 1'000'000, clock.ns_per_spin);
  toml.number(*table, "clock", "stall_ns", 0, 1'000'000'000'000, clock.stall_ns);
  toml.number(*table, "clock", "jump_ns", 0, 1'000'000'000'000, clock.jump_ns);
}

// `guest:NAME`, or a path relative to the scenario's folder.
std::string image_path(const std::string& image, const std::string& scenario_path, const ImagePaths& images) {
  if (image.starts_with("guest:")) return (fs::path(images.guest_dir) / (image.substr(6) + ".elf")).string();
  return (fs::path(scenario_path).parent_path() / image).string();
}

// A file beside the image, relative to the scenario's folder.
void read_path(ScenarioToml& toml, const toml::table& table, const Scenario& scenario, std::string_view key,
               std::string& out) {
  std::string path;
  if (!toml.text(table, "guest", key, path)) return;
  out = (fs::path(scenario.path).parent_path() / path).string();
  std::error_code error;
  if (fs::is_regular_file(out, error)) return;
  toml.complain(table, "guest", key, fmt::format("there is no file {} (paths are relative to the scenario)", out));
}

void read_platform(ScenarioToml& toml, const toml::table& table, const Scenario& scenario, GuestConfig& guest) {
  std::string platform = "bare";
  toml.choice(table, "guest", "platform", {"bare", "pvh", "pc"}, platform);
  guest.platform = platform == "pc"    ? GuestPlatform::kPc
                   : platform == "pvh" ? GuestPlatform::kPvh
                                       : GuestPlatform::kBare;
  // A PVH guest of Xen has none, and a kernel would look for it.
  std::string serial = guest.platform == GuestPlatform::kPvh ? "off" : "on";
  toml.choice(table, "guest", "serial", {"off", "on"}, serial);
  guest.serial = serial == "on";
  toml.bytes(table, "guest", "command", guest.command);
  read_path(toml, table, scenario, "initrd", guest.initrd);
  read_path(toml, table, scenario, "busybox", guest.busybox);
}

// As xl.cfg(5) has it: a boolean, which may be 0 or 1, or a list of groups.
void read_viridian(ScenarioToml& toml, const toml::table& table, const std::string& flavour, GuestConfig& guest) {
  const toml::node* const node = table.get("viridian");
  if (node == nullptr) return;
  const auto number = node->value_exact<int64_t>();
  if (const auto on = node->value_exact<bool>(); on || number == 0 || number == 1) {
    guest.viridian = on.value_or(number == 1) ? viridian::kDefaults : 0;
  } else {
    std::vector<std::string> names;
    toml.texts(table, "guest", "viridian", names);
    for (const std::string& name : names) {
      const auto known = viridian::group_names();
      const auto found = std::find_if(known.begin(), known.end(), [&](const auto& row) { return name == row.name; });
      if (found == known.end()) {
        std::string all;
        for (const auto& row : known) all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", row.name);
        return toml.complain(table, "guest", "viridian", fmt::format("\"{}\" is not allowed ({})", name, all));
      }
      guest.viridian |= found->groups;
    }
    if (guest.viridian != 0 && (guest.viridian & viridian::kBase) == 0)
      return toml.complain(table, "guest", "viridian", "other groups need \"base\"");
  }
  if (guest.viridian != 0 && !guest.hvm) toml.complain(table, "guest", "viridian", "is for type = \"hvm\" alone");
  if (guest.viridian != 0 && flavour.starts_with("kvm"))
    toml.complain(table, "guest", "viridian", "is Xen's: flavour kvm has none");
}

void read_guest(ScenarioToml& toml, const toml::table& table, const Scenario& scenario, const ImagePaths& images,
                GuestConfig& guest) {
  toml.allow(table, "guest",
             {"name", "image", "initrd", "busybox", "command", "platform", "vcpus", "memory", "cmdline",
              "on_soft_reset", "type", "event_channels", "serial", "viridian"});
  uint64_t vcpus = guest.vcpus;
  toml.number(table, "guest", "vcpus", 1, 128, vcpus);
  guest.vcpus = static_cast<uint32_t>(vcpus);
  toml.size(table, "guest", "memory", 2 << 20, uint64_t{16} << 30, guest.memory_bytes);
  if (toml.text(table, "guest", "cmdline", guest.cmdline) && guest.cmdline.size() > kMostCmdline) {
    toml.complain(table, "guest", "cmdline",
                  fmt::format("{} bytes are not allowed (at most {})", guest.cmdline.size(), kMostCmdline));
  }
  std::string on_soft_reset = "end";
  toml.choice(table, "guest", "on_soft_reset", {"end", "resume"}, on_soft_reset);
  guest.soft_reset_resumes = on_soft_reset == "resume";
  std::string type = "pvh";
  toml.choice(table, "guest", "type", {"pvh", "hvm"}, type);
  guest.hvm = type == "hvm";
  read_viridian(toml, table, scenario.flavour, guest);
  uint64_t channels = 0;
  toml.number(table, "guest", "event_channels", kLeastEventChannels, kMostEventChannels, channels);
  guest.event_channels = static_cast<uint32_t>(channels);

  read_platform(toml, table, scenario, guest);
  std::string image;
  if (!toml.require(table, "guest", "image", "\"guest:NAME\", or the path of an ELF file")) return;
  if (!toml.text(table, "guest", "image", image)) return;
  guest.image = image_path(image, scenario.path, images);
  const bool built_in = image.starts_with("guest:");
  if (built_in && (!is_name(image.substr(6)) || image.substr(6).starts_with('.'))) {
    toml.complain(
        table, "guest", "image",
        fmt::format("{} is not allowed (\"guest:NAME\", NAME being {})", show_node(*table.get("image")), kNameRule));
    return;
  }
  std::error_code error;
  if (!fs::is_regular_file(guest.image, error)) {
    toml.complain(table, "guest", "image",
                  built_in ? fmt::format("there is no guest program \"{}\" (no file {})", image.substr(6), guest.image)
                           : fmt::format("there is no file {} (paths are relative to the scenario)", guest.image));
    return;
  }
  guest.name = built_in ? image.substr(6) : name_of_file(guest.image);
  read_name(toml, table, "guest", guest.name);
}

void read_guests(ScenarioToml& toml, Scenario& scenario, const ImagePaths& images) {
  const auto tables = toml.tables("guest");
  if (tables.empty()) toml.complain(toml.root(), "", "guest", "missing (at least one [[guest]])");
  if (tables.size() > kMostGuests) {
    toml.complain(toml.root(), "", "guest",
                  fmt::format("{} guests are not allowed (1 to {})", tables.size(), kMostGuests));
    return;
  }
  for (const toml::table* table : tables) {
    GuestConfig guest;
    read_guest(toml, *table, scenario, images, guest);
    const auto same = [&](const GuestConfig& other) { return other.name == guest.name; };
    if (!guest.name.empty() && std::any_of(scenario.guests.begin(), scenario.guests.end(), same)) {
      toml.complain(*table, "guest", "name",
                    fmt::format("\"{}\" is not allowed (another guest has that name)", guest.name));
    }
    scenario.guests.push_back(std::move(guest));
  }
  if (scenario.flavour.starts_with("kvm") && tables.size() > 1) {
    const toml::table* machine = toml.root().get_as<toml::table>("machine");
    toml.complain(machine != nullptr ? *machine : toml.root(), machine != nullptr ? "machine" : "", "flavour",
                  fmt::format("\"kvm\" is not allowed with {} guests (KVM serves one domain; \"xen\")", tables.size()));
  }
}

void read_events(ScenarioToml& toml, Scenario& scenario) {
  for (const toml::table* table : toml.tables("event")) {
    toml.allow(*table, "event", {"at", "domain", "port"});
    uint64_t at = 0, domain = 1, port = 0;
    const bool whole = toml.require(*table, "event", "at", "a time like \"5ms\"") &&
                       toml.require(*table, "event", "port", "1 to 131071");
    if (!whole) return;
    toml.time(*table, "event", "at", kMostTime, at);
    toml.number(*table, "event", "domain", 1, std::max<size_t>(scenario.guests.size(), 1), domain);
    toml.number(*table, "event", "port", 1, 131071, port);
    scenario.events.push_back({VirtualNs{at}, DomId{static_cast<uint16_t>(domain)}, Port{static_cast<uint32_t>(port)}});
  }
}

void read_inputs(ScenarioToml& toml, Scenario& scenario) {
  for (const toml::table* table : toml.tables("input")) {
    toml.allow(*table, "input", {"at", "domain", "text"});
    uint64_t at = 0, domain = 1;
    std::string text;
    const bool whole = toml.require(*table, "input", "at", "a time like \"5ms\"") &&
                       toml.require(*table, "input", "text", "what is typed");
    if (!whole) return;
    toml.time(*table, "input", "at", kMostTime, at);
    toml.number(*table, "input", "domain", 1, std::max<size_t>(scenario.guests.size(), 1), domain);
    toml.bytes(*table, "input", "text", text);
    scenario.inputs.push_back({VirtualNs{at}, DomId{static_cast<uint16_t>(domain)}, text});
  }
}

void read_expectations(ScenarioToml& toml, Expectation& expect) {
  if (const toml::table* table = toml.table("expect")) {
    toml.allow(*table, "expect", {"result", "console"});
    toml.choice(*table, "expect", "result", {"poweroff", "reboot", "crash", "suspend", "watchdog", "soft-reset"},
                expect.result);
    toml.texts(*table, "expect", "console", expect.console);
  }
  const toml::table* golden = toml.table("golden");
  if (golden == nullptr) return;
  for (const auto& [key, value] : *golden) {
    const auto* hash = value.as_string();
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (hash == nullptr || hash->get().size() != 16 || !std::all_of(hash->get().begin(), hash->get().end(), is_hex)) {
      toml.complain(*golden, "golden", key.str(),
                    fmt::format("{} is not allowed (a trace hash: 16 hexadecimal digits)", show_node(value)));
      return;
    }
    expect.golden[std::string(key.str())] = hash->get();
  }
}

bool is_elf(std::string_view text) {
  return text.starts_with(
      "\x7f"
      "ELF");
}

// Neither ELF nor anything that a person could have meant as TOML.
Status refuse_garbage(const std::string& path, std::string_view text) {
  if (text.empty()) return input_error(fmt::format("{}: is empty: neither a scenario (TOML) nor a guest (ELF)", path));
  const auto is_binary = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f;
  };
  if (!std::any_of(text.begin(), text.end(), is_binary)) return {};
  std::string first;
  for (const char c : text.substr(0, 4)) first += fmt::format(" {:02x}", static_cast<unsigned char>(c));
  return input_error(fmt::format(
      "{}: neither a scenario (TOML) nor a guest (ELF, which begins with 7f 45 4c 46): it begins with{}", path, first));
}

// The scenario that an ELF is run in: what `xl create` gives a PVH guest, and an 8250 besides, which guests of all
// kinds print on.
std::string wrap_elf(const std::string& path) {
  toml::table guest;
  guest.insert("name", name_of_file(path));
  guest.insert("image", fs::path(path).filename().string());
  guest.insert("platform", "pvh");
  guest.insert("serial", "on");
  toml::table root;
  root.insert("guest", toml::array{guest});
  std::ostringstream out;
  out << toml::toml_formatter{root} << '\n';
  return std::move(out).str();
}

}  // namespace

Result<Scenario> parse_scenario(std::string path, std::string text, const ImagePaths& images,
                                const Overrides& overrides) {
  if (text.size() > kMostText) {
    return input_error(
        fmt::format("{}: {} bytes are too many for a scenario (at most {})", path, text.size(), kMostText));
  }
  XS_TRY(auto toml, ScenarioToml::parse(path, text, overrides));
  Scenario scenario;
  scenario.path = std::move(path);
  scenario.name = name_of_file(scenario.path);
  scenario.text = overrides.empty() ? std::move(text) : toml.text();

  toml.allow(toml.root(), "", {"scenario", "machine", "clock", "guest", "event", "input", "expect", "golden"});
  if (const toml::table* table = toml.table("scenario")) {
    toml.allow(*table, "scenario", {"name", "description"});
    read_name(toml, *table, "scenario", scenario.name);
    toml.text(*table, "scenario", "description", scenario.description);
  }
  read_machine(toml, scenario);
  read_clock(toml, scenario.clock);
  read_guests(toml, scenario, images);
  read_events(toml, scenario);
  read_inputs(toml, scenario);
  read_expectations(toml, scenario.expect);
  XS_TRY_STATUS(toml.status());
  return scenario;
}

Result<Scenario> load_scenario(const std::string& path, const ImagePaths& images, const Overrides& overrides) {
  XS_TRY(const auto bytes, read_file(path));
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (is_elf(text)) return parse_scenario(path, wrap_elf(path), images, overrides);
  XS_TRY_STATUS(refuse_garbage(path, text));
  return parse_scenario(path, std::move(text), images, overrides);
}

std::optional<EngineKind> engine_by_name(std::string_view name) {
  if (name == "fast") return EngineKind::kFast;
  if (name == "plain") return EngineKind::kPlain;
  return std::nullopt;
}

std::string_view backend_name(BackendKind kind) {
  switch (kind) {
    case BackendKind::kSoft: return "soft";
    case BackendKind::kNative: return "native";
    case BackendKind::kKvm: return "kvm";
  }
  return "unknown";
}

std::optional<BackendKind> backend_by_name(std::string_view name) {
  for (const BackendKind kind : {BackendKind::kSoft, BackendKind::kNative, BackendKind::kKvm}) {
    if (backend_name(kind) == name) return kind;
  }
  return std::nullopt;
}

}  // namespace xensim::sim
