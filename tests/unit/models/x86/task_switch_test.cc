// Hardware tasks: by a task gate (ours), by JMP, CALL and IRET (the engine's own); SDM vol. 3, chapter 7.
#include <doctest/doctest.h>

#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char int_to_task[], fault_to_task[], jump_to_task[], call_task[], task_halts[],
    task_returns[], halt_32[], count_loop_32[];

using namespace xensim;
using namespace xensim::x86::test;

namespace {

constexpr uint16_t kOther = 0x58;
constexpr uint64_t kOtherTss = 0x5000, kOtherStack = 0x7000;
constexpr unsigned kEip = 32, kEflags = 36, kEsp = 56, kEdi = 68, kEsField = 72, kCsField = 76, kSsField = 80,
                   kLdtField = 96, kTrap = 100;

// A second task, which runs `body`, behind the task gate of vector 0x50 (and of others).
struct TaskMachine : TestMachine {
  TaskMachine(bool as_is, const unsigned char* snippet, const unsigned char* body)
      : TestMachine(x86::SoftCpuConfig{.plain_engine = as_is}) {
    protected32(snippet, halt_32);
    poke<uint8_t>(kGdt + kTssSelector + 5, 0x8b);  // the present task's is busy
    poke<uint64_t>(kGdt + kOther, 0x0000890000000067 | kOtherTss << 16);
    poke<uint32_t>(kOtherTss + kEip, static_cast<uint32_t>(address(body)));
    poke<uint32_t>(kOtherTss + kEflags, 2);
    poke<uint32_t>(kOtherTss + kEsp, kOtherStack);
    poke<uint32_t>(kOtherTss + kEdi, 0x1000);
    for (unsigned field = kEsField; field <= 92; field += 4) poke<uint32_t>(kOtherTss + field, kData0);
    poke<uint32_t>(kOtherTss + kCsField, kCode32);
    gate(0x50);
    change([](CpuRegs& r) {
      r.gpr[kRax] = 0xabcd;
      r.gpr[kRdi] = 7;
    });
  }
  void gate(unsigned vector) { set_gate32(vector, 0, kOther, 5, 0); }
  uint8_t type(uint16_t selector) const { return peek<uint8_t>(kGdt + selector + 5) & 15; }
  void go() { REQUIRE_MESSAGE(run() == CpuExit::kHalt, cpu->error()); }
};

template <class Body>
void in_each_way(const Body& body) {
  for (const bool as_is : {false, true}) {
    CAPTURE(as_is);
    body(as_is);
  }
}

TEST_CASE("into a task by its gate: the old TSS, the back link, NT, TS, busy bits") {
  in_each_way([](bool as_is) {
    TaskMachine m(as_is, int_to_task, task_halts);
    m.go();
    const CpuRegs r = m.regs();
    CHECK(r.rip == TestMachine::address(task_halts) + 1);
    CHECK(r.seg[kTr].selector == kOther);
    CHECK(r.gpr[kRsp] == kOtherStack);
    CHECK(r.gpr[kRdi] == 0x1000);
    CHECK((r.rflags & 0x4000) != 0);
    CHECK((r.cr0 & 8) != 0);
    CHECK(m.type(kOther) == 11);
    CHECK(m.type(kTssSelector) == 11);
    CHECK(m.peek<uint16_t>(kOtherTss) == kTssSelector);
    CHECK(m.peek<uint32_t>(kTss + kEip) == TestMachine::address(int_to_task) + 3);
    CHECK(m.peek<uint32_t>(kTss + kEsp) == kStack0);
    CHECK(m.peek<uint16_t>(kTss + kCsField) == kCode32);
    CHECK((m.peek<uint32_t>(kTss + kEflags) & 0x4000) == 0);
    CHECK(m.peek<uint32_t>(kTss + 40) == 0xabcd);
  });
}

TEST_CASE("there and back by IRET, twice") {
  in_each_way([](bool as_is) {
    for (const unsigned char* snippet : {int_to_task, call_task}) {
      TaskMachine m(as_is, snippet, task_returns);
      m.go();
      CpuRegs r = m.regs();
      CHECK(r.gpr[kRbx] == 0xabcd);
      CHECK(r.gpr[kRdi] == 7);
      CHECK(r.gpr[kRsp] == kStack0);
      CHECK((r.rflags & 0x4000) == 0);
      CHECK(r.seg[kTr].selector == kTssSelector);
      CHECK(m.type(kOther) == 9);
      CHECK(m.peek<uint32_t>(kOtherTss + kEdi) == 0x1001);
      m.change([&](CpuRegs& again) { again.rip = TestMachine::address(snippet); });
      m.go();
      CHECK(m.peek<uint32_t>(kOtherTss + kEdi) == 0x1002);
      CHECK(m.regs().gpr[kRbx] == 0xabcd);
    }
  });
}

TEST_CASE("JMP leaves the old task: not busy, no link, no NT") {
  in_each_way([](bool as_is) {
    TaskMachine m(as_is, jump_to_task, task_halts);
    m.poke<uint16_t>(kOtherTss, 0x1234);
    m.go();
    CHECK(m.regs().seg[kTr].selector == kOther);
    CHECK((m.regs().rflags & 0x4000) == 0);
    CHECK(m.type(kTssSelector) == 9);
    CHECK(m.type(kOther) == 11);
    CHECK(m.peek<uint16_t>(kOtherTss) == 0x1234);
    CHECK(m.peek<uint32_t>(kTss + kEip) == TestMachine::address(jump_to_task) + 7);
  });
}

TEST_CASE("an error code is pushed on the new task's stack, and a fault's image has RF") {
  in_each_way([](bool as_is) {
    TaskMachine m(as_is, fault_to_task, task_halts);
    m.gate(13);
    m.go();
    CHECK(m.regs().seg[kTr].selector == kOther);
    CHECK(m.gpr(kRsp) == kOtherStack - 4);
    CHECK(m.peek<uint32_t>(kOtherStack - 4) == 0x4448);
    CHECK((m.peek<uint32_t>(kTss + kEflags) & 0x10000) != 0);
    CHECK(m.peek<uint32_t>(kTss + kEip) == TestMachine::address(fault_to_task) + 5);
  });
}

TEST_CASE("an NMI by a task gate, and back") {
  in_each_way([](bool as_is) {
    TaskMachine m(as_is, count_loop_32, task_returns);
    m.gate(2);
    REQUIRE(m.run(10) == CpuExit::kSlice);
    const uint64_t interrupted = m.regs().rip;
    m.cpu->raise_nmi({0});
    REQUIRE(m.run(2) == CpuExit::kSlice);  // the task's two instructions
    CHECK(m.regs().rip == interrupted);
    CHECK(m.regs().seg[kTr].selector == kTssSelector);
    CHECK(m.peek<uint32_t>(kOtherTss + kEdi) == 0x1001);
    m.cpu->raise_nmi({0});
    CHECK(m.cpu->nmi_ready({0}));  // the IRET has ended the first
  });
}

TEST_CASE("the T bit of a TSS is a #DB before its first instruction") {
  in_each_way([](bool as_is) {
    TaskMachine m(as_is, int_to_task, task_returns);
    m.poke<uint16_t>(kOtherTss + kTrap, 1);
    m.go();
    CHECK(m.regs().rip == TestMachine::address(halt_32) + 1);
    CHECK(m.peek<uint32_t>(kOtherStack - 12) == TestMachine::address(task_returns));
  });
}

TEST_CASE("tasks that will not do: before the switch in the old task, after it in the new one") {
  struct Row {
    const char* name;
    uint32_t code;
    bool switched;
    void (*change)(TestMachine&);
  };
  const Row rows[] = {
      {"busy", kOther, false, [](TestMachine& m) { m.poke<uint8_t>(kGdt + kOther + 5, 0x8b); }},
      {"not present", kOther, false, [](TestMachine& m) { m.poke<uint8_t>(kGdt + kOther + 5, 0x09); }},
      {"too short", kOther, false, [](TestMachine& m) { m.poke<uint16_t>(kGdt + kOther, 0x66); }},
      {"in the LDT", kOther | 4, false, [](TestMachine& m) { m.poke<uint16_t>(kIdt + 0x50 * 8 + 2, kOther | 4); }},
      {"CS null", 0, true, [](TestMachine& m) { m.poke<uint32_t>(kOtherTss + kCsField, 0); }},
      {"CS is data", kData0, true, [](TestMachine& m) { m.poke<uint32_t>(kOtherTss + kCsField, kData0); }},
      {"SS of another level", kUserData & ~3u, true,
       [](TestMachine& m) { m.poke<uint32_t>(kOtherTss + kSsField, kUserData); }},
      {"ES outside the GDT", 0x1000, true, [](TestMachine& m) { m.poke<uint32_t>(kOtherTss + kEsField, 0x1000); }},
      {"LDT is code", kCode32, true, [](TestMachine& m) { m.poke<uint32_t>(kOtherTss + kLdtField, kCode32); }},
  };
  in_each_way([&](bool as_is) {
    for (const Row& row : rows) {
      CAPTURE(std::string(row.name));
      TaskMachine m(as_is, int_to_task, task_halts);
      row.change(m);
      const CpuExit exit = m.run();
      CHECK(m.regs().seg[kTr].selector == (row.switched ? kOther : kTssSelector));
      // Where CS or SS is not to be had, the #TS has no stack to go to, and the domain ends.
      if (exit == CpuExit::kShutdown) {
        CHECK(m.cpu->error().find("#TS") != std::string::npos);
        continue;
      }
      REQUIRE(exit == CpuExit::kHalt);
      const uint64_t stack = row.switched ? kOtherStack : kStack0;
      CHECK(m.peek<uint32_t>(stack - 16) == row.code);
      CHECK(m.peek<uint32_t>(stack - 12) ==
            TestMachine::address(row.switched ? task_halts : int_to_task) + (row.switched ? 0 : 1));
    }
  });
}

}  // namespace
