// Exact instruction counts: the same in any slicing, at every client call and after every exit.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char mixed_program[], mixed_handler[], skip_ud2_handler[], count_loop[], rep_only[],
    flags_kept[], halt_handler[], out_nops[], mmio_nops[], do_nothing[], real_loop[], do_pause[];

using namespace xensim;
using namespace xensim::x86::test;
using x86::SoftCpuConfig;

namespace {

struct Outcome {
  CpuRegs regs;
  uint64_t count = 0;
  std::vector<std::byte> data;
  std::vector<std::string> log;
  std::vector<uint64_t> ends;  // count at the end of each slice

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Runs the program with interrupts raised at fixed places, in slices of `slice`. With `at_tsc` at each RDTSC too, which
// also asks for the slice's end.
Outcome run_mixed(uint64_t slice, SoftCpuConfig config = {}, bool at_tsc = false) {
  const bool whole_blocks = config.whole_blocks;
  TestMachine m(config);
  std::vector<uint64_t> ends;
  m.long64(mixed_program, mixed_handler);
  m.set_gate64(6, TestMachine::address(skip_ud2_handler));
  REQUIRE(m.cpu->map_mmio(Gpa{0x400000}, 0x1000));
  m.poke<uint64_t>(m.page_entry_at(0x300000), 0x400007);  // the load in the loop meets the device
  m.port_values[0x81] = 0x17;
  m.on_call = [&](VcpuId v) {
    const bool raises = m.log.back().find(" out 80") != std::string::npos ||
                        m.log.back().find(" hypercall") != std::string::npos ||
                        m.log.back().find(" load") != std::string::npos;
    if (!raises) return;
    m.vectors.push_back(0x51);
    m.cpu->raise_interrupt(v);
  };
  if (at_tsc) {
    m.on_tsc = [&](VcpuId v) {
      m.vectors.push_back(0x51);
      m.cpu->raise_interrupt(v);
      m.cpu->limit_slice(1);
    };
  }
  CpuExit exit = CpuExit::kSlice;
  while (exit == CpuExit::kSlice) {
    const uint64_t before = m.count();
    exit = m.run(slice);
    ends.push_back(m.count());
    if (exit != CpuExit::kSlice || at_tsc) continue;
    REQUIRE(m.count() >= before + slice);
    if (!whole_blocks) REQUIRE(m.count() == before + slice);
  }
  REQUIRE_MESSAGE(exit == CpuExit::kHalt, m.cpu->error());
  const auto* data = m.ram.data() + kData;
  return {m.regs(), m.count(), std::vector(data, data + 0x1000), m.log, ends};
}

}  // namespace

TEST_CASE("any slicing gives the same registers, memory, calls and counts") {
  const Outcome whole = run_mixed(1'000'000);
  CHECK(whole.regs.gpr[kR15] == 5 + 4 * 5);  // INT, OUT, VMCALL, and the load, which the engine makes in two halves
  CHECK(whole.regs.gpr[kR14] == 5);
  CHECK(whole.regs.gpr[kR9] == 5 * 0x17);
  for (const uint64_t slice : {1, 2, 3, 5, 7, 11, 13, 29, 64, 100, 101, 1000}) {
    CAPTURE(slice);
    const Outcome cut = run_mixed(slice);
    CHECK(cut.log == whole.log);
    CHECK(cut.count == whole.count);
    CHECK(cut.regs == whole.regs);
    CHECK(cut.data == whole.data);
    const Outcome by_blocks = run_mixed(slice, {.whole_blocks = true});
    CHECK(by_blocks.log == whole.log);
    CHECK(by_blocks.count == whole.count);
    CHECK(by_blocks.regs == whole.regs);
    CHECK(by_blocks.data == whole.data);
  }
}

TEST_CASE("translated code that is left as the engine makes it gives the same, and the same ends of slices") {
  for (const bool whole_blocks : {false, true}) {
    for (const uint64_t slice : {1, 2, 3, 5, 7, 11, 13, 29, 64, 100, 101, 1000, 1'000'000}) {
      CAPTURE(whole_blocks);
      CAPTURE(slice);
      const SoftCpuConfig changed{.whole_blocks = whole_blocks},
          as_is{.whole_blocks = whole_blocks, .plain_engine = true};
      CHECK(run_mixed(slice, changed) == run_mixed(slice, as_is));
      CHECK(run_mixed(slice, changed, true) == run_mixed(slice, as_is, true));
    }
  }
}

TEST_CASE("what RDTSC asks for comes at the end of its block, however the run is cut") {
  const Outcome whole = run_mixed(1'000'000, {}, true);
  CHECK(whole.regs.gpr[kR15] == 5 + 5 * 5);
  for (const uint64_t slice : {1, 2, 3, 5, 7, 11, 13, 29}) {
    CAPTURE(slice);
    const Outcome cut = run_mixed(slice, {}, true);
    CHECK(cut.log == whole.log);
    CHECK(cut.count == whole.count);
    CHECK(cut.regs == whole.regs);
  }
}

TEST_CASE("by whole blocks a slice ends at the end of the block that its limit is in") {
  TestMachine m(1, true);
  m.long64(count_loop);
  CHECK(m.run(1) == CpuExit::kSlice);
  CHECK(m.count() == 5);  // the first block holds the first round of the loop
  CHECK(m.run(5) == CpuExit::kSlice);
  CHECK(m.count() == 5 + 8);
  CHECK(m.run(4) == CpuExit::kSlice);
  CHECK(m.count() == 5 + 8 + 4);
  CHECK(m.run(100'000'000) == CpuExit::kHalt);
  CHECK(m.count() == 1 + 4'000'000 + 1);
  m.long64(rep_only);
  m.change([&](CpuRegs& r) {
    r.gpr[kRcx] = 1000;
    r.gpr[kRdi] = kData;
  });
  const uint64_t before = m.count();
  CHECK(m.run(300) == CpuExit::kSlice);  // each iteration is a block
  CHECK(m.count() == before + 300);
  CHECK(m.gpr(kRcx) == 700);
}

TEST_CASE("arithmetic flags are a vCPU's own, wherever it is cut") {
  struct Row {
    uint64_t left, right;
    bool carry, zero, sign, overflow;
  };
  constexpr Row kRows[] = {{1, 2, true, false, true, false},
                           {7, 7, false, true, false, false},
                           {uint64_t{1} << 63, 1, false, false, false, true}};
  for (const uint64_t slice : {1, 2, 3, 4, 5}) {
    CAPTURE(slice);
    TestMachine m(3);
    for (uint32_t v = 0; v < 3; ++v) {
      m.long64(flags_kept, nullptr, {v});
      m.change(
          [&](CpuRegs& r) {
            r.gpr[kRdi] = kRows[v].left;
            r.gpr[kRsi] = kRows[v].right;
          },
          {v});
    }
    for (unsigned ended = 0; ended != 7;) {
      for (uint32_t v = 0; v < 3; ++v) {
        if (!(ended >> v & 1) && m.run(slice, {v}) == CpuExit::kHalt) ended |= 1u << v;
      }
    }
    for (uint32_t v = 0; v < 3; ++v) {
      CAPTURE(v);
      CHECK((m.gpr(kRax, {v}) & 1) == kRows[v].carry);
      CHECK((m.gpr(kRbx, {v}) & 1) == kRows[v].zero);
      CHECK((m.gpr(kRcx, {v}) & 1) == kRows[v].sign);
      CHECK((m.gpr(kRdx, {v}) & 1) == kRows[v].overflow);
      CHECK(m.gpr(kR8, {v}) == (kRows[v].carry ? 0 : 1));
    }
  }
}

TEST_CASE("a loop's count is exact to the instruction") {
  TestMachine m;
  m.long64(count_loop);
  CHECK(m.run(1) == CpuExit::kSlice);
  CHECK(m.count() == 1);
  CHECK(m.gpr(kRcx) == 1'000'000);
  CHECK(m.run(6) == CpuExit::kSlice);  // four of the first round, two of the second
  CHECK(m.gpr(kRax) == 6);
  CHECK(m.gpr(kRcx) == 999'999);
  CHECK(m.run(100'000'000) == CpuExit::kHalt);
  CHECK(m.count() == 1 + 4'000'000 + 1);
}

TEST_CASE("a repeated string instruction counts one an iteration, and one for none") {
  for (const uint64_t n : {0, 1, 2, 9, 5000}) {
    CAPTURE(n);
    for (const uint64_t slice : {1, 3, 100000}) {
      TestMachine m;
      m.long64(rep_only);
      m.change([&](CpuRegs& r) {
        r.gpr[kRcx] = n;
        r.gpr[kRdi] = kData;
      });
      CpuExit exit = CpuExit::kSlice;
      while (exit == CpuExit::kSlice) exit = m.run(slice);
      CHECK(exit == CpuExit::kHalt);
      CHECK(m.count() == std::max<uint64_t>(n, 1) + 1);
      CHECK(m.gpr(kRdi) == kData + n);
    }
  }
}

TEST_CASE("a repeated string instruction that faults half-way has done what came before") {
  for (const uint64_t slice : {1, 3, 1000, 100000}) {
    CAPTURE(slice);
    TestMachine m;
    m.long64(rep_only, halt_handler);
    m.poke<uint64_t>(m.page_entry_at(kData + 0x1000), 0);
    m.change([&](CpuRegs& r) {
      r.gpr[kRcx] = 0x1800;
      r.gpr[kRdi] = kData;
    });
    CpuExit exit = CpuExit::kSlice;
    while (exit == CpuExit::kSlice) exit = m.run(slice);
    CHECK(exit == CpuExit::kHalt);
    CHECK(m.count() == 0x1000 + 1);
    CHECK(m.gpr(kRdi) == kData + 0x1000);
    CHECK(m.gpr(kRcx) == 0x800);
    CHECK(m.regs().cr2 == kData + 0x1000);
  }
}

TEST_CASE("real mode is counted too") {
  TestMachine m;
  m.real(real_loop);
  CHECK(m.run() == CpuExit::kHalt);
  CHECK(m.count() == 1 + 2 * 0x200 + 1);
}

TEST_CASE("limit_slice and request_stop act before the next instruction") {
  TestMachine m;
  m.long64(out_nops);
  m.on_call = [&](VcpuId) { m.cpu->limit_slice(2); };  // the OUT and one NOP
  CHECK(m.run() == CpuExit::kSlice);
  CHECK(m.count() == 2);
  CHECK(m.regs().rip == TestMachine::address(out_nops) + 3);
  m.long64(out_nops);
  m.on_call = [&](VcpuId) { m.cpu->request_stop(); };
  CHECK(m.run() == CpuExit::kStopped);
  CHECK(m.count() == 3);
  CHECK(m.regs().rip == TestMachine::address(out_nops) + 2);
  CHECK(m.run() == CpuExit::kHalt);
}

namespace {

// Accesses to a device among instructions that do nothing.
void begin_mmio_nops(TestMachine& m) {
  m.long64(mmio_nops);
  REQUIRE(m.cpu->map_mmio(Gpa{0x800000}, 0x1000));
  m.poke<uint64_t>(kPageTables + 0x2000 + 8 * 4, 0x800087);
}

// Until something else than the slice's end stops it.
CpuExit run_slices(TestMachine& m, uint64_t slice) {
  CpuExit exit = CpuExit::kSlice;
  for (unsigned steps = 1; exit == CpuExit::kSlice && steps < 100; ++steps) exit = m.run(slice);
  return exit;
}

}  // namespace

TEST_CASE("a request from an MMIO access acts at the end of its block, however the run is cut") {
  for (const uint64_t slice : {1, 2, 1000}) {
    CAPTURE(slice);
    TestMachine m;
    begin_mmio_nops(m);
    bool once = true;
    m.on_call = [&](VcpuId) {
      if (std::exchange(once, false)) m.cpu->request_stop();
    };
    CpuExit exit = run_slices(m, slice);
    if (slice == 1000) {
      CHECK(exit == CpuExit::kStopped);
      CHECK(m.count() == 5);
    }
    CHECK(m.log.at(0) == "0 store 800000/4 = 0");
    while (exit != CpuExit::kHalt) exit = m.run(slice);
    CHECK(m.log.at(1) == "5 load 800004/4");
    CHECK(m.log.at(2) == "6 load 800008/4");  // the engine makes 8 bytes of two halves
    CHECK(m.log.at(3) == "6 load 80000c/4");
    CHECK(m.gpr(kRdx) == 0x5566778855667788);
    CHECK(m.gpr(kRcx) == 0x55667788);
  }
}

TEST_CASE("an INIT that an MMIO access brings about comes at the end of its block, however the run is cut") {
  for (const uint64_t slice : {1, 2, 1000}) {
    CAPTURE(slice);
    TestMachine m;
    begin_mmio_nops(m);
    m.on_call = [&](VcpuId vcpu) { m.cpu->init(vcpu); };
    CHECK(run_slices(m, slice) == CpuExit::kHalt);
    CHECK(m.count() == 5);
    CHECK(m.log.size() == 1);
    CHECK(m.regs().rip == 0xfff0);
    CHECK(m.cpu->mode({0}) == CpuMode::kReal);
    CHECK(m.run() == CpuExit::kHalt);  // waits for a SIPI
    CHECK(m.count() == 5);
  }
}

TEST_CASE("a slice of nothing does nothing") {
  TestMachine m;
  m.long64(do_nothing);
  CHECK(m.run(0) == CpuExit::kSlice);
  CHECK(m.count() == 0);
}

TEST_CASE("PAUSE asks the client, which may end the slice") {
  TestMachine m;
  m.long64(do_pause);
  m.answer = CpuAction::kSuspend;
  CHECK(m.run() == CpuExit::kSuspended);
  CHECK(m.count() == 1);
  CHECK(m.log.back() == "0 pause");
  m.answer = CpuAction::kContinue;
  CHECK(m.run() == CpuExit::kHalt);
  CHECK(m.gpr(kRax) == 2);
  CHECK(m.count() == 5);
}

TEST_CASE("what a client throws comes out of run()") {
  TestMachine m;
  m.long64(out_nops);
  m.on_call = [](VcpuId) { throw std::runtime_error("client"); };
  CHECK_THROWS_WITH(m.run(), "client");
  m.long64(mmio_nops);
  REQUIRE(m.cpu->map_mmio(Gpa{0x800000}, 0x1000));
  m.poke<uint64_t>(kPageTables + 0x2000 + 8 * 4, 0x800087);
  CHECK_THROWS_WITH(m.run(), "client");
}
