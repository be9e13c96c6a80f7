// The software CPU against the same engine without any hook: what exact accounting costs, as a ratio within one run,
// and what a change of vCPU costs.
#include <benchmark/benchmark.h>

#include <cstring>

#include "bench/cpu_clock.h"
#include "models/base/check.h"
#include "models/x86/soft_cpu.h"
#include "models/x86/state.h"

extern "C" {
// The linker's names for where a section begins and ends.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern const unsigned char __start_xs_bench_guest[], __stop_xs_bench_guest[];
extern const unsigned char xs_bench_blocks[], xs_bench_memory[], xs_bench_call[];
}

namespace {

using namespace xensim;

constexpr uint64_t kCode = 0x10000, kTables = 0x100000, kHeap = 0x200000, kStack = 0x8000, kRam = 4 << 20;

// A guest that asks for nothing.
class NoClient : public CpuClient {
 public:
  uint32_t port_in(VcpuId, uint16_t, unsigned) override { return 0; }
  void port_out(VcpuId, uint16_t, unsigned, uint32_t) override {}
  uint64_t mmio_read(VcpuId, Gpa, unsigned) override { return 0; }
  void mmio_write(VcpuId, Gpa, unsigned, uint64_t) override {}
  CpuidResult cpuid(VcpuId, uint32_t, uint32_t, CpuidResult native) override { return native; }
  std::optional<uint64_t> rdmsr(VcpuId, uint32_t) override { return std::nullopt; }
  bool wrmsr(VcpuId, uint32_t, uint64_t) override { return false; }
  uint8_t cr8(VcpuId) override { return 0; }
  void set_cr8(VcpuId, uint8_t) override {}
  uint64_t rdtsc(VcpuId) override { return 0; }
  CpuAction hypercall(VcpuId) override { return CpuAction::kContinue; }
  CpuAction point(VcpuId, Gva) override { return CpuAction::kContinue; }
  std::optional<uint8_t> acknowledge_interrupt(VcpuId) override { return std::nullopt; }
  CpuAction pause(VcpuId) override { return CpuAction::kContinue; }
};

struct Ram {
  Ram() : storage(kRam + kPageSize) {
    const auto at = reinterpret_cast<uintptr_t>(storage.data());
    bytes = std::span(storage).subspan((kPageSize - at % kPageSize) % kPageSize, kRam);
    std::memcpy(bytes.data() + kCode, __start_xs_bench_guest,
                static_cast<size_t>(__stop_xs_bench_guest - __start_xs_bench_guest));
    put(kTables, (kTables + 0x1000) | 7);
    put(kTables + 0x1000, (kTables + 0x2000) | 7);
    for (uint64_t i = 0; i < 2; ++i) put(kTables + 0x2000 + 8 * i, (kTables + 0x3000 + 0x1000 * i) | 7);
    for (uint64_t i = 0; i < kRam >> 12; ++i) put(kTables + 0x3000 + 8 * i, i << 12 | 7);
    // As a kernel does, data is not executable; the engine keeps all stores to executable pages on its slow path.
    for (uint64_t i = kHeap >> 12; i < kRam >> 12; ++i) put(kTables + 0x3000 + 8 * i, i << 12 | 7 | uint64_t{1} << 63);
    for (uint64_t i = 0; i < kCode >> 12; ++i) put(kTables + 0x3000 + 8 * i, i << 12 | 7 | uint64_t{1} << 63);
  }
  void put(uint64_t at, uint64_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); }

  std::vector<std::byte> storage;
  std::span<std::byte> bytes;
};

CpuRegs start_at(const unsigned char* code) {
  CpuRegs r;
  r.seg[kCs] = {8, 0, 0xffffffff, 0xa9b};
  for (const unsigned s : {kEs, kSs, kDs, kFs, kGs}) r.seg[s] = {16, 0, 0xffffffff, 0xc93};
  r.seg[kTr] = {0, 0, 0x67, 0x8b};
  r.cr0 = 0x80010033;
  r.cr3 = kTables;
  r.cr4 = 0x620;
  r.efer = 0xd01;
  r.rip = kCode + static_cast<uint64_t>(code - __start_xs_bench_guest);
  r.gpr[kRsp] = kStack;
  r.gpr[kRdi] = kHeap;
  return r;
}

// The engine by itself: no hook at all.
class Bare {
 public:
  explicit Bare(Ram& ram) : engine_(*x86::Engine::open()), state_(*engine_) {
    XS_CHECK(uc_mem_map_ptr(engine_->get(), 0, kRam, UC_PROT_ALL, ram.bytes.data()) == UC_ERR_OK);
  }
  void run(const unsigned char* code) {
    const CpuRegs r = start_at(code);
    for (unsigned i = 0; i < 16; ++i) state_.set_gpr(i, r.gpr[i]);
    for (unsigned i = 0; i < kSegCount; ++i) state_.set_segment(i, r.seg[i]);
    state_.set_cr(0, r.cr0);
    state_.set_cr(3, r.cr3);
    state_.set_cr(4, r.cr4);
    state_.set_efer(r.efer);
    state_.set_cpl(0);
    state_.store(engine_->get());
    uc_emu_start(engine_->get(), r.rip, 0, 0, 0);  // ends at the HLT, which is intercepted and handled by nobody
  }

 private:
  std::unique_ptr<x86::Engine> engine_;
  x86::State state_;
};

void accounting(benchmark::State& state, const unsigned char* code) {
  Ram ram;
  NoClient client;
  auto cpu = std::move(*x86::make_soft_cpu(client, {}));
  XS_CHECK(cpu->map_memory(Gpa{0}, ram.bytes, true));
  Ram bare_ram;
  Bare bare(bare_ram);
  const auto seconds = [](auto&& body) {
    const double begin = cpu_seconds();
    body();
    return cpu_seconds() - begin;
  };
  const auto accounted_run = [&] {
    cpu->set_regs({0}, start_at(code));
    XS_CHECK_MSG(cpu->run({0}, ~uint64_t{0}) == CpuExit::kHalt, cpu->error());
  };
  accounted_run();
  bare.run(code);
  const uint64_t before = cpu->instructions({0});
  std::vector<double> accounted, without;  // they take turns, so that a busy moment of the machine falls on both
  for (auto _ : state) {
    accounted.push_back(seconds(accounted_run));
    without.push_back(seconds([&] { bare.run(code); }));
  }
  const auto instructions =
      static_cast<double>(cpu->instructions({0}) - before) / static_cast<double>(state.iterations());
  state.counters["mips"] = instructions / median(accounted) / 1e6;
  state.counters["bare_mips"] = instructions / median(without) / 1e6;
  state.counters["ratio"] = median(accounted) / median(without);
}

void five_instruction_blocks(benchmark::State& state) { accounting(state, xs_bench_blocks); }
void memory_heavy(benchmark::State& state) { accounting(state, xs_bench_memory); }
void crc_and_quicksort(benchmark::State& state) { accounting(state, xs_bench_call); }
BENCHMARK(five_instruction_blocks);
BENCHMARK(memory_heavy);
BENCHMARK(crc_and_quicksort);

// Two vCPUs in turn, `range` instructions each; one vCPU with the same slices is the second figure.
void vcpu_switch(benchmark::State& state) {
  Ram ram;
  NoClient client;
  auto cpu = std::move(*x86::make_soft_cpu(client, {.vcpus = 2}));
  XS_CHECK(cpu->map_memory(Gpa{0}, ram.bytes, true));
  const auto slice = static_cast<uint64_t>(state.range(0));
  const auto vcpus = static_cast<uint32_t>(state.range(1));
  for (const uint32_t v : {0u, 1u}) cpu->set_regs({v}, start_at(xs_bench_blocks));
  uint32_t turn = 0;
  for (auto _ : state) {
    if (cpu->run({turn}, slice) == CpuExit::kHalt) cpu->set_regs({turn}, start_at(xs_bench_blocks));
    turn = (turn + 1) % vcpus;
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(slice));
}
BENCHMARK(vcpu_switch)->ArgNames({"slice", "vcpus"})->Args({10, 1})->Args({10, 2})->Args({11000, 1})->Args({11000, 2});

}  // namespace

BENCHMARK_MAIN();
