// Scenario: all that decides an execution, read from TOML: guests, clock, scheduler, events from outside, expectations.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/base/result.h"
#include "models/base/types.h"

namespace xensim::sim {

enum class BackendKind { kSoft, kNative, kKvm };

// What a guest finds around its vCPUs.
enum class GuestPlatform {
  kBare,  // local APICs, UART, debug ports; vCPU 0 at the PVH entry
  kPvh,   // and what the toolstack gives a PVH guest: ACPI tables, rings of xenstore and console
  kPc,    // and a PC's devices and a PCI bus; vCPU 0 at the entry of the Linux boot protocol
};

// Bounds of GuestConfig::event_channels: the toolstack's own have room.
inline constexpr uint32_t kLeastEventChannels = 16;
inline constexpr uint32_t kMostEventChannels = 1'000'000;

// One guest: becomes domain 1, 2, ... in the order of the file.
struct GuestConfig {
  std::string name;
  std::string image;  // path as resolved; native: the same program's shared object is found beside it
  std::string cmdline;
  std::string initrd;   // path as resolved; empty: none
  std::string busybox;  // path as resolved; not empty: the bundled initramfs with this busybox
  std::string command;  // what the bundled initramfs runs; empty: a shell
  GuestPlatform platform = GuestPlatform::kBare;
  bool serial = true;                // an 8250 at 0x3f8
  uint32_t vcpus = 1;                // 1 to 128
  uint64_t memory_bytes = 64 << 20;  // multiple of 4 KiB, 2 MiB to 16 GiB
  bool soft_reset_resumes = false;   // after SHUTDOWN_soft_reset it runs on
  // A type=hvm domain of Xen: PIRQs, and a PC's devices, whatever the platform.
  bool hvm = false;
  // Microsoft's interface beside Xen's, for a type=hvm guest of Xen: viridian::Group bits; 0: none.
  uint32_t viridian = 0;

  // The highest event channel that the domain may have, whatever its layout's limit; 0: the flavour's default. With
  // trait wide_event_limit there is no other.
  uint32_t event_channels = 0;

  bool has_pc_devices() const { return platform == GuestPlatform::kPc || hvm; }
};

// An event from outside: a backend or eventfd signals a port.
struct ExternalEvent {
  VirtualNs at;
  DomId dom;
  Port port;
};

// What somebody types on a guest's console.
struct ConsoleInput {
  VirtualNs at;  // when, for those of the scenario itself
  DomId dom;
  std::string text;
  uint64_t turn = 0;  // in which turn of the machine's loop, for what a trace recorded; 0: at `at`
};

struct ClockConfig {
  uint64_t ns_per_instruction = 1;       // 1 to 1000
  uint64_t tsc_khz = 1'000'000;          // 1'000 to 10'000'000
  uint64_t wallclock_s = 1'550'620'800;  // 2019-02-20T00:00:00Z
  bool steal = false;                    // plain runs: vCPUs that wait for their turn see stolen time
  uint64_t ns_per_spin = 100;            // exploration: virtual time that passes where all vCPUs only spin
  uint64_t stall_ns = 10'000'000;        // exploration: how long all vCPUs may be kept from running while one could
  uint64_t jump_ns = 0;                  // exploration: how far the clock may jump between two looks at it; 0: not
};

// What the run must come to; empty members are not looked at.
struct Expectation {
  std::string result = "poweroff";   // poweroff, reboot, crash, suspend, watchdog, soft-reset: how every domain ends
  std::vector<std::string> console;  // "guest-name: line" lines that must appear, in this order
  std::map<std::string, std::string> golden;  // trace hashes by files and engine (sim/run/golden.h); xensim run's alone
};

// How the software CPU uses its engine: kFast, with the paths that lean on the engine's private state where its build
// is known (docs/software-cpu.md); kPlain, by its public interface alone. Results and traces are the same.
enum class EngineKind { kFast, kPlain };

struct Scenario {
  std::string name;
  std::string description;
  std::string path;  // where it was read, or the ELF of a run without scenario
  std::string text;  // the TOML as read, or with its overrides: traces carry it
  std::vector<GuestConfig> guests;
  std::vector<BackendKind> backends = {BackendKind::kSoft};  // those it can run on; the first is the default
  EngineKind engine = EngineKind::kFast;                     // of backend soft
  std::string flavour = "xen";
  uint64_t seed = 0;
  bool explore_from_marker = false;  // a search begins where a guest says so, not at the start
  bool checks = false;               // every invariant after every turn, not at the end alone
  uint64_t slice = 11'000;           // instructions a vCPU runs before another's turn, before seeding
  VirtualNs time_limit{10'000'000'000};
  ClockConfig clock;
  std::vector<ExternalEvent> events;
  std::vector<ConsoleInput> inputs;
  std::vector<ConsoleInput> recorded_inputs;  // of a trace that is run again, by turn
  Expectation expect;
};

// Where `image = "guest:NAME"` finds the guest programs that were built with xensim: NAME.elf in this folder.
struct ImagePaths {
  std::string guest_dir;
};

// Parses TOML text. Errors name file, line, key and what is allowed. `overrides` are --set key=value pairs, applied
// before validation (dotted keys; lists by index: guest.0.vcpus=8, or all entries: guest.vcpus=8).
Result<Scenario> parse_scenario(std::string path, std::string text, const ImagePaths& images,
                                const std::vector<std::pair<std::string, std::string>>& overrides);
// Reads a scenario file, or wraps a PVH ELF in a scenario with defaults (decided by content, not by name).
Result<Scenario> load_scenario(const std::string& path, const ImagePaths& images,
                               const std::vector<std::pair<std::string, std::string>>& overrides);
// "fast" or "plain"; nothing for any other word.
std::optional<EngineKind> engine_by_name(std::string_view name);
std::string_view backend_name(BackendKind kind);
std::optional<BackendKind> backend_by_name(std::string_view name);

}  // namespace xensim::sim
