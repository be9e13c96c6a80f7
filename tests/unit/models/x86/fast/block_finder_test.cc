// Finding the next block by physical page as well as by address.
#include <doctest/doctest.h>

#include <array>
#include <cstring>

#include "models/x86/fast/fast_paths.h"
#include "models/x86/soft_cpu_impl.h"
#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char call_often[];

using namespace xensim;
using namespace xensim::x86;
using namespace xensim::x86::test;

namespace {

constexpr uint64_t kCalled = 0x250000;

uint64_t asked(const TestMachine& m) { return fast_of(m).finder().asked(); }

// mov $value, %ebx; ret
void put_code(std::byte* at, uint8_t value) {
  const uint8_t bytes[] = {0xbb, value, 0, 0, 0, 0xc3};
  std::memcpy(at, bytes, sizeof bytes);
}

// The TLB is known, all pages were used, and there is code that gives 1 at 0x260000.
void prepare(TestMachine& m) {
  REQUIRE(know_tlb(m));
  m.long64(call_often);
  use_pages(m);
  put_code(m.ram.data() + 0x260000, 1);
}

// Calls what is at kCalled so many times, under two page table entries by turns. The sum of what was returned.
uint64_t call(TestMachine& m, uint64_t one, uint64_t other, uint32_t times) {
  m.change([&](CpuRegs& r) {
    r.rip = TestMachine::address(call_often);
    r.gpr[kRax] = kCalled;
    r.gpr[kRcx] = times;
    r.gpr[kRdx] = m.page_entry_at(kCalled);
    r.gpr[kR8] = one;
    r.gpr[kR9] = other;
    r.gpr[kR10] = 0;
  });
  REQUIRE_MESSAGE(m.run(1'000'000) == CpuExit::kHalt, m.cpu->error());
  return m.gpr(kR10);
}

}  // namespace

TEST_CASE("a change of page tables takes no block away, and one address may be two blocks") {
  TestMachine m;
  prepare(m);
  put_code(m.ram.data() + 0x261000, 2);
  CHECK(call(m, 0x260067, 0x260067, 100) == 100);
  CHECK(call(m, 0x261067, 0x261067, 100) == 200);
  const uint64_t before = asked(m);
  CHECK(call(m, 0x260067, 0x261067, 10000) == 15000);
  CHECK(asked(m) < before + 100);
}

TEST_CASE("code that is changed, or whose memory is changed, is not found as it was") {
  TestMachine m;
  prepare(m);
  CHECK(call(m, 0x260067, 0x260067, 100) == 100);
  m.poke<uint8_t>(0x260001, 3);
  m.cpu->invalidate_code(Gpa{0x260000}, 6);
  CHECK(call(m, 0x260067, 0x260067, 100) == 300);

  alignas(4096) static std::array<std::byte, 0x1000> other;
  put_code(other.data(), 5);
  m.cpu->unmap_memory(Gpa{0x260000}, 0x1000);
  REQUIRE(m.cpu->map_memory(Gpa{0x260000}, other, true));
  CHECK(call(m, 0x260067, 0x260067, 100) == 500);

  // All code is translated anew where points are set.
  const Gva point{kCalled};
  REQUIRE(m.cpu->set_points(std::array{point}));
  const size_t calls = m.log.size();
  CHECK(call(m, 0x260067, 0x260067, 100) == 500);
  CHECK(m.log.size() == calls + 100);
  REQUIRE(m.cpu->set_points({}));
  CHECK(call(m, 0x260067, 0x260067, 100) == 500);
}

TEST_CASE("a page that may no longer be executed is not found") {
  TestMachine m;
  prepare(m);
  CHECK(call(m, 0x260067, 0x260067, 100) == 100);
  m.poke<uint8_t>(0x262000, 0xf4);
  m.set_gate64(14, 0x262000);
  CHECK(call(m, 0x260067, 0x8000000000260067, 100) == 1);
  CHECK(m.regs().cr2 == kCalled);
  CHECK(m.regs().rip == 0x262001);
}
