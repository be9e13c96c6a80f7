// libFuzzer target: snapshot files of anybody's. A file is refused, or it gives a machine; nothing else.
//
// Checksums would stop nearly every mutation, so the first byte chooses: a file as it is, or changes of a good one,
// four bytes each: where (three) and what (one, exclusive or), its checksums put right afterwards; those of the core's
// own state stay wrong, which has a target of its own (state_fuzz).
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "models/base/check.h"
#include "sim/machine/snapshot/snapshot_file.h"
#include "sim/run/run.h"
#include "tests/unit/models/pc/load/tiny_elf.h"

namespace {

using namespace xensim;
using namespace xensim::sim;

Scenario small_scenario() {
  const std::string path = "/tmp/xensim_snapshot_fuzz_" + std::to_string(getpid()) + ".elf";
  const auto elf = pc::test::pvh_elf64();
  std::FILE* file = std::fopen(path.c_str(), "wb");
  XS_CHECK(file != nullptr && std::fwrite(elf.data(), 1, elf.size(), file) == elf.size());
  std::fclose(file);
  const std::string text =
      "[[guest]]\nname = \"small\"\nimage = \"" + path + "\"\nplatform = \"pvh\"\nvcpus = 2\nmemory = \"2M\"\n";
  auto scenario = parse_scenario("small.toml", text, {}, {});
  XS_CHECK_MSG(scenario.has_value(), scenario.error().message);
  return *scenario;
}

// A good snapshot, and a machine to restore into.
struct Bench {
  Scenario scenario = small_scenario();
  std::unique_ptr<Machine> machine;
  std::vector<std::byte> good;

  Bench() {
    auto made = make_machine(scenario, BackendKind::kSoft);
    XS_CHECK_MSG(made.has_value(), made.error().message);
    machine = std::move(*made);
    std::remove(scenario.guests[0].image.c_str());
    traces::HashSink hash;
    MachineOptions options;
    options.sink = options.hash = &hash;
    options.snapshot = SnapshotPoint{VirtualNs{0}};
    options.on_snapshot = [&](Snapshot snapshot) {
      good = format_snapshot(snapshot);
      return false;
    };
    machine->reset(options);
    machine->run();
    XS_CHECK(!good.empty());
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Bench bench;
  if (size == 0) return 0;
  std::vector<std::byte> bytes;
  if ((data[0] & 1) != 0) {
    bytes = bench.good;
    for (size_t at = 1; at + 4 <= size; at += 4) {
      const size_t where = data[at] | size_t{data[at + 1]} << 8 | size_t{data[at + 2]} << 16;
      bytes[where % bytes.size()] ^= static_cast<std::byte>(data[at + 3]);
    }
    seal_snapshot(bytes);
  } else {
    const auto* first = reinterpret_cast<const std::byte*>(data + 1);
    bytes.assign(first, first + size - 1);
  }
  const auto snapshot = parse_snapshot("fuzz", bytes);
  if (!snapshot) {
    if (snapshot.error().message.find("fuzz: ") != 0) std::abort();
    return 0;
  }
  MachineOptions options;
  options.from = &*snapshot;
  bench.machine->reset(options);
  const Status prepared = bench.machine->prepare();
  if (!prepared && prepared.error().message.empty()) std::abort();
  return 0;
}
