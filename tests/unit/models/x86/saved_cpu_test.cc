// A software CPU saved after any instruction and restored into another goes on as the one that was not saved.
#include "models/x86/saved_cpu.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char fpu_mix[], mixed_program[], mixed_handler[], skip_ud2_handler[];

using namespace xensim;
using namespace xensim::x86::test;

namespace {

void begin(TestMachine& machine, const unsigned char* snippet, const unsigned char* handler) {
  machine.long64(snippet, handler);
  machine.change([](CpuRegs& regs) {
    regs.cr0 = (regs.cr0 | 2) & ~uint64_t{0xc};  // MP; neither EM nor TS
    regs.cr4 |= 0x600;                           // OSFXSR, OSXMMEXCPT
    regs.gpr[kRdi] = kData;
  });
}

// Ports, a device, exceptions, a hypercall, and interrupts that some of these raise.
void begin_mixed(TestMachine& machine) {
  begin(machine, mixed_program, mixed_handler);
  machine.set_gate64(6, TestMachine::address(skip_ud2_handler));
  REQUIRE(machine.cpu->map_mmio(Gpa{0x400000}, 0x1000));
  machine.poke<uint64_t>(machine.page_entry_at(0x300000), 0x400007);
  machine.port_values[0x81] = 0x17;
  machine.on_call = [&machine](VcpuId vcpu) {
    const std::string& call = machine.log.back();
    if (call.find(" out 80") == std::string::npos && call.find(" hypercall") == std::string::npos) return;
    machine.vectors.push_back(0x51);
    machine.cpu->raise_interrupt(vcpu);
  };
}

std::vector<std::byte> state_at_end(TestMachine& machine) {
  for (unsigned runs = 0; runs < 100; ++runs) {
    if (machine.run() == CpuExit::kHalt) return machine.cpu->save_state();
  }
  return {};
}

void check_every_cut(void (*prepare)(TestMachine&), uint64_t most) {
  TestMachine whole;
  prepare(whole);
  const auto end = state_at_end(whole);
  REQUIRE(!end.empty());
  uint64_t cuts = 0;
  for (uint64_t cut = 0; cut < std::min(most, whole.count()); ++cut) {
    CAPTURE(cut);
    TestMachine first, second;
    prepare(first);
    prepare(second);
    if (cut > 0 && first.run(cut) != CpuExit::kSlice) continue;
    const auto saved = first.cpu->save_state();
    REQUIRE(second.cpu->restore_state(saved).has_value());
    std::memcpy(second.ram.data(), first.ram.data(), second.ram.size());
    second.vectors = first.vectors;
    CHECK(second.cpu->save_state() == saved);
    CHECK(state_at_end(second) == end);
    CHECK(std::memcmp(second.ram.data(), whole.ram.data(), whole.ram.size()) == 0);
    // The one that was saved goes on as well.
    CHECK(state_at_end(first) == end);
    ++cuts;
  }
  CHECK(cuts >= 10);
}

}  // namespace

TEST_CASE("FPU, SSE, flags and rounding survive at every instruction") {
  check_every_cut([](TestMachine& machine) { begin(machine, fpu_mix, nullptr); }, 40);
}

TEST_CASE("exceptions, interrupts and devices on the way come as before") { check_every_cut(begin_mixed, 40); }

TEST_CASE("two vCPUs, one of which waits for its start") {
  TestMachine first(2), second(2);
  begin(first, fpu_mix, nullptr);
  first.run(7);
  const auto saved = first.cpu->save_state();
  REQUIRE(second.cpu->restore_state(saved).has_value());
  CHECK(second.count() == 7);
  CHECK(second.run(10, {1}) == CpuExit::kHalt);
  second.cpu->startup({1}, 0x10);
  CHECK(second.regs({1}).seg[kCs].base == 0x10000);
}

TEST_CASE("bytes of another shape, and states that there are not, change nothing") {
  TestMachine machine;
  begin(machine, fpu_mix, nullptr);
  machine.run(5);
  const auto before = machine.cpu->save_state();
  const auto refused = [&](std::vector<std::byte> bytes) {
    const bool failed = !machine.cpu->restore_state(bytes).has_value();
    return failed && machine.cpu->save_state() == before;
  };
  CHECK(refused({}));
  auto longer = before;
  longer.push_back({});
  CHECK(refused(longer));
  const auto with = [&](auto change) {
    x86::SavedVcpu saved;
    std::memcpy(&saved, before.data(), sizeof saved);
    change(saved);
    std::vector<std::byte> bytes(sizeof saved);
    std::memcpy(bytes.data(), &saved, sizeof saved);
    return bytes;
  };
  CHECK(refused(with([](x86::SavedVcpu& saved) { saved.cpl = 4; })));
  CHECK(refused(with([](x86::SavedVcpu& saved) { saved.retired = ~uint64_t{0}; })));
}
