// Scenarios: what a good file means, and what is said of every kind of bad one.
#include "sim/scenario/scenario.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace xensim::sim {
namespace {

namespace fs = std::filesystem;
using Overrides = std::vector<std::pair<std::string, std::string>>;

// A folder with a guest program `g.elf` and another file, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "xensim-scenario-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    write("g.elf",
          "\x7f"
          "ELF");
    write("h.elf",
          "\x7f"
          "ELF");
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  ImagePaths images() const { return {path_.string()}; }

 private:
  fs::path path_;
};

Result<Scenario> parse(const Folder& folder, std::string text, const Overrides& overrides = {}) {
  return parse_scenario("x.toml", std::move(text), folder.images(), overrides);
}

std::string error_of(const Folder& folder, const std::string& text, const Overrides& overrides = {}) {
  const auto result = parse(folder, text, overrides);
  if (result) return "no error";
  CHECK(result.error().kind == ErrorKind::kInput);
  return result.error().message;
}

constexpr const char* kFull = R"(
[scenario]
name = "ping"
description = "two vCPUs"
[machine]
flavour = "xen"
seed = 7
backends = ["native", "soft"]
slice = 500
time_limit = "5ms"
[clock]
ns_per_instruction = 2
tsc_khz = 2_000_000
wallclock = 1000
ns_per_spin = 10
[[guest]]
name = "a"
image = "guest:g"
vcpus = 2
memory = "16M"
cmdline = "x=1"
[[guest]]
image = "guest:h"
[[event]]
at = "20us"
domain = 2
port = 5
[expect]
result = "crash"
console = ["a: hello", "h: bye"]
[golden]
"0123" = "0011223344556677"
)";

TEST_CASE("every key of a scenario is read") {
  const Folder folder;
  const auto scenario = parse(folder, kFull);
  REQUIRE_MESSAGE(scenario, scenario.error().message);
  CHECK(scenario->name == "ping");
  CHECK(scenario->description == "two vCPUs");
  CHECK(scenario->seed == 7);
  CHECK(scenario->backends == std::vector{BackendKind::kNative, BackendKind::kSoft});
  CHECK(scenario->slice == 500);
  CHECK(scenario->time_limit == VirtualNs{5'000'000});
  CHECK(scenario->clock.ns_per_instruction == 2);
  CHECK(scenario->clock.tsc_khz == 2'000'000);
  CHECK(scenario->clock.wallclock_s == 1000);
  CHECK(scenario->clock.ns_per_spin == 10);
  REQUIRE(scenario->guests.size() == 2);
  CHECK(scenario->guests[0].name == "a");
  CHECK(scenario->guests[0].image == folder.file("g.elf"));
  CHECK(scenario->guests[0].vcpus == 2);
  CHECK(scenario->guests[0].memory_bytes == 16 << 20);
  CHECK(scenario->guests[0].cmdline == "x=1");
  CHECK(scenario->guests[1].name == "h");
  REQUIRE(scenario->events.size() == 1);
  CHECK(scenario->events[0].at == VirtualNs{20'000});
  CHECK(scenario->events[0].dom == DomId{2});
  CHECK(scenario->events[0].port == Port{5});
  CHECK(scenario->expect.result == "crash");
  CHECK(scenario->expect.console == std::vector<std::string>{"a: hello", "h: bye"});
  CHECK(scenario->expect.golden.at("0123") == "0011223344556677");
  CHECK(scenario->text == kFull);
}

TEST_CASE("a scenario needs no more than a guest") {
  const Folder folder;
  const auto scenario = parse(folder, "[[guest]]\nimage = \"guest:g\"\n");
  REQUIRE(scenario);
  CHECK(scenario->name == "x");
  CHECK(scenario->flavour == "xen");
  CHECK(scenario->backends == std::vector{BackendKind::kSoft});
  CHECK(scenario->guests[0].vcpus == 1);
}

// A bad file and what is said of it, "x.toml:" apart.
struct BadScenario {
  const char* text;
  const char* message;
};

#define G "[[guest]]\nimage = \"guest:g\"\n"

constexpr BadScenario kBad[] = {
    {"", "1: guest: missing (at least one [[guest]])"},
    {"guest = 5", "1: guest: 5 is not allowed (tables: [[guest]])"},
    {"guest = [1]", "1: guest: 1 is not allowed (tables: [[guest]])"},
    {"[guest]\nimage = \"guest:g\"\n", "1: guest: a table is not allowed (tables: [[guest]])"},
    {"\n[[guest]]\nvcpus = 2\n", "2: guest.image: missing (\"guest:NAME\", or the path of an ELF file)"},
    {G "vcpus = 200\n", "3: guest.vcpus: 200 is not allowed (1 to 128)"},
    {G "vcpus = 0\n", "3: guest.vcpus: 0 is not allowed (1 to 128)"},
    {G "vcpus = -1\n", "3: guest.vcpus: -1 is not allowed (1 to 128)"},
    {G "vcpus = \"2\"\n", "3: guest.vcpus: \"2\" is not allowed (1 to 128)"},
    {G "vcpus = 2.5\n", "3: guest.vcpus: a number with a fraction is not allowed (1 to 128)"},
    {G "vcpus = true\n", "3: guest.vcpus: true is not allowed (1 to 128)"},
    {G "vcpus = [2]\n", "3: guest.vcpus: a list is not allowed (1 to 128)"},
    {G "vcpus = 1979-05-27\n", "3: guest.vcpus: a date or time is not allowed (1 to 128)"},
    {G "vcpu = 2\n",
     "3: guest.vcpu: unknown key (name, image, initrd, busybox, command, platform, vcpus, memory, cmdline, "
     "on_soft_reset, type, event_channels, serial, viridian)"},
    {G "memory = \"1M\"\n",
     "3: guest.memory: \"1M\" is not allowed (a size like \"64M\", 2M to 16G, whole pages of 4K)"},
    {G "memory = \"17G\"\n",
     "3: guest.memory: \"17G\" is not allowed (a size like \"64M\", 2M to 16G, whole pages of 4K)"},
    {G "memory = \"2050K\"\n",
     "3: guest.memory: \"2050K\" is not allowed (a size like \"64M\", 2M to 16G, whole pages of 4K)"},
    {G "memory = \"99999999999999999999M\"\n",
     "3: guest.memory: \"99999999999999999999M\" is not allowed (a size like \"64M\", 2M to 16G, whole pages of 4K)"},
    {G "memory = 64\n", "3: guest.memory: 64 is not allowed (a size like \"64M\", 2M to 16G, whole pages of 4K)"},
    {G "viridian = true\n", "3: guest.viridian: is for type = \"hvm\" alone"},
    {G "type = \"hvm\"\nviridian = 2\n", "4: guest.viridian: 2 is not allowed (a list of texts: [\"...\", \"...\"])"},
    {G "type = \"hvm\"\nviridian = [\"freq\"]\n", "4: guest.viridian: other groups need \"base\""},
    {G "type = \"hvm\"\nviridian = [\"base\", \"stimer\"]\n",
     "4: guest.viridian: \"stimer\" is not allowed (\"base\", \"freq\", \"time_ref_count\", \"reference_tsc\", "
     "\"hcall_remote_tlb_flush\", \"apic_assist\", \"crash_ctl\", \"hcall_ipi\", \"no_vp_limit\", \"cpu_hotplug\", "
     "\"defaults\")"},
    {"[machine]\nflavour = \"kvm\"\n" G "type = \"hvm\"\nviridian = true\n",
     "6: guest.viridian: is Xen's: flavour kvm has none"},
    {G "name = \"a b\"\n", "3: guest.name: \"a b\" is not allowed (1 to 64 letters, digits, '_', '-' or '.')"},
    {G "name = \"\"\n", "3: guest.name: \"\" is not allowed (1 to 64 letters, digits, '_', '-' or '.')"},
    {G "cmdline = \"a\\u0007\"\n", "3: guest.cmdline: \"a\\x07\" is not allowed (text on one line, in quotes)"},
    {G G, "3: guest.name: \"g\" is not allowed (another guest has that name)"},
    {"[[guest]]\nimage = \"guest:../g\"\n",
     "2: guest.image: \"guest:../g\" is not allowed (\"guest:NAME\", NAME being 1 to 64 letters, digits, '_', '-' or "
     "'.')"},
    {"[[guest]]\nimage = \"nowhere.elf\"\n",
     "2: guest.image: there is no file nowhere.elf (paths are relative to the scenario)"},
    {"[[guest]]\nimage = \"/\"\n", "2: guest.image: there is no file / (paths are relative to the scenario)"},
    {"machine = 1\n" G, "1: machine: 1 is not allowed (a table: [machine])"},
    {"machin = 1\n" G, "1: machin: unknown key (scenario, machine, clock, guest, event, input, expect, golden)"},
    {"[machine]\nflavour = \"vmware\"\n" G,
     "2: machine.flavour: \"vmware\" is not allowed (\"xen\", \"xen-4.20\", \"kvm\", each with +TRAIT)"},
    {"[machine]\nflavour = 3\n" G, "2: machine.flavour: 3 is not allowed (text on one line, in quotes)"},
    {"[machine]\nbackends = \"soft\"\n" G,
     "2: machine.backends: \"soft\" is not allowed (a list of texts: [\"...\", \"...\"])"},
    {"[machine]\nbackends = []\n" G,
     "2: machine.backends: an empty list is not allowed (\"soft\", \"native\", \"kvm\")"},
    {"[machine]\nbackends = [\"hard\"]\n" G,
     "2: machine.backends: \"hard\" is not allowed (each of \"soft\", \"native\", \"kvm\" at most once)"},
    {"[machine]\nbackends = [\"soft\",\n1]\n" G,
     "3: machine.backends: 1 is not allowed (a list of texts: [\"...\", \"...\"])"},
    {"[machine]\nseed = -5\n" G, "2: machine.seed: -5 is not allowed (0 to 9223372036854775807)"},
    {"[machine]\nslice = 0\n" G, "2: machine.slice: 0 is not allowed (1 to 1000000000)"},
    {"[machine]\ntime_limit = \"soon\"\n" G,
     "2: machine.time_limit: \"soon\" is not allowed (a time like \"10s\", \"5ms\", \"20us\", \"1ns\", at most 1000s)"},
    {"[machine]\ntime_limit = \"1001s\"\n" G,
     "2: machine.time_limit: \"1001s\" is not allowed (a time like \"10s\", \"5ms\", \"20us\", \"1ns\", at most "
     "1000s)"},
    {"[clock]\ntsc_khz = 1\n" G, "2: clock.tsc_khz: 1 is not allowed (1000 to 10000000)"},
    {"[clock]\nns_per_instruction = 0\n" G, "2: clock.ns_per_instruction: 0 is not allowed (1 to 1000)"},
    {G "[[event]]\nport = 3\n", "3: event.at: missing (a time like \"5ms\")"},
    {G "[[event]]\nat = \"1ms\"\n", "3: event.port: missing (1 to 131071)"},
    {G "[[event]]\nat = \"1ms\"\nport = 0\n", "5: event.port: 0 is not allowed (1 to 131071)"},
    {G "[[event]]\nat = \"1ms\"\nport = 5\ndomain = 2\n", "6: event.domain: 2 is not allowed (1 to 1)"},
    {G "[[input]]\nat = \"1ms\"\n", "3: input.text: missing (what is typed)"},
    {G "[[input]]\nat = \"1ms\"\ntext = \"a\\u0000\"\n",
     "5: input.text: \"a\\x00\" is not allowed (text in quotes, without NUL)"},
    {G "[expect]\nresult = \"fine\"\n",
     "4: expect.result: \"fine\" is not allowed (\"poweroff\", \"reboot\", \"crash\", \"suspend\", \"watchdog\", "
     "\"soft-reset\")"},
    {G "[expect]\nconsole = \"hello\"\n",
     "4: expect.console: \"hello\" is not allowed (a list of texts: [\"...\", \"...\"])"},
    {G "[golden]\nk = \"xyz\"\n", "4: golden.k: \"xyz\" is not allowed (a trace hash: 16 hexadecimal digits)"},
    {"[machine]\nflavour = \"kvm\"\n" G "[[guest]]\nimage = \"guest:h\"\n",
     "2: machine.flavour: \"kvm\" is not allowed with 2 guests (KVM serves one domain; \"xen\")"},
};

TEST_CASE("a bad scenario: file, line, key and what is allowed") {
  const Folder folder;
  for (const BadScenario& bad : kBad) {
    CAPTURE(bad.text);
    CHECK(error_of(folder, bad.text) == std::string("x.toml:") + bad.message);
  }
}

TEST_CASE("what is no TOML is refused with line and column, in one line") {
  const Folder folder;
  const std::string hostile[] = {
      "[machine",
      "a = ",
      "a = 1\na = 2\n",
      "= 1",
      "a = \"x",
      "[[guest]]\n[guest]\n",
      "a = 1e",
      "a = 0x",
      "a = 99999999999999999999999999",
      "\xff\xfe\x00x",
      std::string("a = \"\0\"", 7),
      "a = {b=1,",
      std::string(5000, '['),
      "a = " + std::string(5000, '['),
      "a.b.c = 1\na.b = 2\n",
      "[a]\n[a]\n",
      "\xef\xbb",
      "a = 25:61:00",
      "a = '''",
      "a = \"\\ud800\"",
      "a = \"\\x\"",
  };
  for (const std::string& text : hostile) {
    CAPTURE(text);
    const std::string message = error_of(folder, text);
    CHECK(message.starts_with("x.toml:"));
    CHECK(std::count(message.begin(), message.end(), ':') >= 3);
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("a scenario of more than a mebibyte is refused") {
  const Folder folder;
  CHECK(error_of(folder, std::string((1 << 20) + 1, '\n')) ==
        "x.toml: 1048577 bytes are too many for a scenario (at most 1048576)");
}

TEST_CASE("overrides go in before anything is checked, and the text has them") {
  const Folder folder;
  const auto scenario = parse(folder, kFull,
                              {{"guest.vcpus", "8"},
                               {"guest.1.memory", "32M"},
                               {"machine.seed", "9"},
                               {"machine.time_limit", "1s"},
                               {"expect.console", "[\"a: x\"]"},
                               {"event.0.port", "6"},
                               {"scenario.name", "other"}});
  REQUIRE_MESSAGE(scenario, scenario.error().message);
  CHECK(scenario->guests[0].vcpus == 8);
  CHECK(scenario->guests[1].vcpus == 8);
  CHECK(scenario->guests[1].memory_bytes == 32 << 20);
  CHECK(scenario->seed == 9);
  CHECK(scenario->time_limit == VirtualNs{1'000'000'000});
  CHECK(scenario->expect.console == std::vector<std::string>{"a: x"});
  CHECK(scenario->events[0].port == Port{6});
  CHECK(scenario->name == "other");
  const auto again = parse(folder, scenario->text);
  REQUIRE_MESSAGE(again, again.error().message);
  CHECK(again->guests[1].memory_bytes == 32 << 20);
  CHECK(again->text == scenario->text);
}

TEST_CASE("an override that is wrong is named") {
  const Folder folder;
  const auto error = [&](const char* key, const char* value) { return error_of(folder, G, {{key, value}}); };
  CHECK(error("guest.vcpus", "200") == "x.toml: --set guest.vcpus=200: guest.vcpus: 200 is not allowed (1 to 128)");
  CHECK(error("guest.1.vcpus", "2") ==
        "--set guest.1.vcpus=2: there is no guest.1; the list has 1 entries, counted from 0, each a table");
  CHECK(error("guest.0", "2") ==
        "--set guest.0=2: there is no guest.0; the list has 1 entries, counted from 0, each a table");
  CHECK(error("machine..seed", "2") == "--set machine..seed=2: an empty key; write table.key=value");
  CHECK(error("guest.image.x", "2") == "--set guest.image.x=2: nothing lies below a single value");
  CHECK(error("machine.sed", "2") ==
        "x.toml: --set machine.sed=2: machine.sed: unknown key (flavour, seed, backends, slice, time_limit, checks, "
        "engine, explore_from)");
  CHECK(error("machine.backends", "[\"hard\"]")
            .starts_with("x.toml: --set machine.backends=[\"hard\"]: machine.backends: "));
  // A value cannot smuggle in a second key.
  CHECK(error("machine.flavour", "1\nx = 2").starts_with("x.toml: --set machine.flavour=1?x = 2: machine.flavour: "));
}

TEST_CASE("a file is a scenario or a guest by its content") {
  const Folder folder;
  const auto load = [&](const std::string& path) { return load_scenario(path, folder.images(), {}); };
  const auto guest = load(folder.file("g.elf"));
  REQUIRE_MESSAGE(guest, guest.error().message);
  CHECK(guest->name == "g");
  REQUIRE(guest->guests.size() == 1);
  CHECK(guest->guests[0].image == folder.file("g.elf"));
  CHECK(load(folder.write("s", G)).has_value());

  const auto message = [&](const std::string& path) {
    const auto result = load(path);
    return result ? std::string("no error") : result.error().message;
  };
  const std::string empty = folder.write("empty", "");
  CHECK(message(empty) == empty + ": is empty: neither a scenario (TOML) nor a guest (ELF)");
  const std::string garbage = folder.write("garbage", "MZ\x90\x01\x02");
  CHECK(message(garbage) ==
        garbage +
            ": neither a scenario (TOML) nor a guest (ELF, which begins with 7f 45 4c 46): it begins with 4d 5a 90 01");
  const std::string cut = folder.write("cut",
                                       "\x7f"
                                       "EL");
  CHECK(message(cut).find("it begins with 7f 45 4c") != std::string::npos);
  CHECK(message(folder.file("nowhere")) == folder.file("nowhere") + ": No such file or directory");
  CHECK(message(folder.file("")).find("is not a file") != std::string::npos);
}

}  // namespace
}  // namespace xensim::sim
