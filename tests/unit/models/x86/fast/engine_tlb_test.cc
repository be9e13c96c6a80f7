// The engine's TLB, filled in its place: what the tables say, and what is left to the engine.
#include <doctest/doctest.h>

#include <array>

#include "models/x86/fast/fast_paths.h"
#include "models/x86/page_walk.h"
#include "models/x86/soft_cpu_impl.h"
#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char remap[], remap_all[], touch_pages[];

using namespace xensim;
using namespace xensim::x86;
using namespace xensim::x86::test;

namespace {

constexpr uint64_t kAccessed = 0x20, kDirty = 0x40;

uint64_t filled(const TestMachine& m) { return fast_of(m).tlb().filled(); }

// A load, a change of the table's entry at `rdx` to `rbx`, what is to take the old entry away (for `remap` INVLPG of
// `r8`), and the load again: the first gives 1, the second 2, and of the entries some are made here.
struct Remap {
  const unsigned char* snippet;
  uint64_t r8, rsi, rdx, rbx;
};
void check_remap(TestMachine& m, const Remap& registers) {
  const uint64_t before = filled(m);
  m.change([&](CpuRegs& r) {
    r.rip = TestMachine::address(registers.snippet);
    r.gpr[kR8] = registers.r8;
    r.gpr[kRsi] = registers.rsi;
    r.gpr[kRdx] = registers.rdx;
    r.gpr[kRbx] = registers.rbx;
  });
  REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
  CHECK(filled(m) > before);
  CHECK(m.gpr(kRax) == 1);
  CHECK(m.gpr(kRcx) == 2);
}

}  // namespace

TEST_CASE("pages that were used are entered here, the bits of others are set by the engine") {
  TestMachine m;
  REQUIRE(know_tlb(m));
  m.poke<uint64_t>(0x201000, 0x1234);
  m.poke<uint64_t>(m.page_entry_at(0x201000), 0x201007);
  m.poke<uint64_t>(m.page_entry_at(0x202000), 0x202007);
  CHECK(copy(m, 0x201000, 0x202000) == 0x1234);
  CHECK(m.peek<uint64_t>(m.page_entry_at(0x201000)) == (0x201007 | kAccessed));
  CHECK(m.peek<uint64_t>(m.page_entry_at(0x202000)) == (0x202007 | kAccessed | kDirty));
  // Again (a new run begins with an empty TLB): both are entered here; the first is not dirty yet.
  const uint64_t before = filled(m);
  CHECK(copy(m, 0x201000, 0x202000) == 0x1234);
  CHECK(filled(m) >= before + 2);
  CHECK(m.peek<uint64_t>(m.page_entry_at(0x201000)) == (0x201007 | kAccessed));
  CHECK(copy(m, 0x202000, 0x201000) == 0x1234);
  CHECK(m.peek<uint64_t>(m.page_entry_at(0x201000)) == (0x201007 | kAccessed | kDirty));
  // Across pages, and to a device, the engine goes alone.
  m.poke<uint64_t>(0x200ffc, 0x5566778811223344);
  CHECK(copy(m, 0x200ffc, 0x202ffa) == 0x5566778811223344);
  CHECK(m.peek<uint64_t>(0x202ffa) == 0x5566778811223344);
  REQUIRE(m.cpu->map_mmio(Gpa{0x30000000}, 0x1000));
  m.poke<uint64_t>(m.page_entry_at(0x203000), 0x30000000 | 7 | kAccessed | kDirty);
  copy(m, 0x203000, kData);
  CHECK(m.log.back().find("load 3000000") != std::string::npos);
}

TEST_CASE("INVLPG and CR3 take away what was entered here") {
  for (const unsigned char* snippet : {remap, remap_all}) {
    TestMachine m;
    REQUIRE(know_tlb(m));
    use_pages(m);
    m.poke<uint64_t>(0x201008, 1);
    m.poke<uint64_t>(0x202008, 2);
    check_remap(m, {snippet, 0x201008, 0x201008, m.page_entry_at(0x201000), 0x202007 | kAccessed | kDirty});
  }
}

TEST_CASE("INVLPG of one address takes away all of a large page") {
  TestMachine m;
  REQUIRE(know_tlb(m));
  use_pages(m);
  // 2 MiB at 4 MiB, of which the engine makes an entry, and then we; they come to show the memory at 0.
  const uint64_t large = kPageTables + 0x2000 + 8 * 2;
  m.poke<uint64_t>(large, 0x200087 | kAccessed | kDirty);
  m.poke<uint64_t>(0x201008, 1);
  m.poke<uint64_t>(0x1008, 2);
  check_remap(m, {remap, 0x403000, 0x401008, large, 0x87 | kAccessed | kDirty});
}

TEST_CASE("how many entries there is room for follows from what was used between flushes, not from the time") {
  TestMachine m;
  REQUIRE(know_tlb(m));
  use_pages(m);
  const EngineTlb& tlb = fast_of(m).tlb();
  const auto touch = [&](uint32_t pages, unsigned times) {
    for (unsigned i = 0; i < times; ++i) {
      m.change([&](CpuRegs& r) {  // begins with a flush
        r.rip = TestMachine::address(touch_pages);
        r.gpr[kRsi] = 0;
        r.gpr[kRcx] = pages;
      });
      REQUIRE(m.run() == CpuExit::kHalt);
    }
  };
  touch(600, 10);
  CHECK(tlb.entries(EngineTlb::kKernelWithoutSmap) == 1024);
  touch(10, 10);
  CHECK(tlb.entries(EngineTlb::kKernelWithoutSmap) == 1024);
  touch(10, 100);
  CHECK(tlb.entries(EngineTlb::kKernelWithoutSmap) < 128);
}

TEST_CASE("a leaf of the tables: rights of all levels, large pages, and what is not for us") {
  TestMachine m;
  REQUIRE(know_tlb(m));
  use_pages(m);
  struct Sink final : MmioSink {
    uint64_t mmio_load(uint64_t, unsigned) override { return 0; }
    void mmio_store(uint64_t, unsigned, uint64_t) override {}
    void mmio_begin() override {}
  } sink;
  auto engine = Engine::open();
  REQUIRE(engine);
  PhysicalMemory memory(**engine, sink);
  REQUIRE(memory.map_ram(0, m.ram, true));
  const uint64_t pte = m.page_entry_at(0x201000), pde = kPageTables + 0x2000 + 8, pml4e = kPageTables;
  const auto leaf = [&](uint64_t linear, bool nxe = true) {
    return find_leaf(memory, kPageTables | 0x18, nxe, linear);
  };
  REQUIRE(leaf(0x201234));
  CHECK(leaf(0x201234)->gpa == 0x201234);
  CHECK(leaf(0x201234)->bytes == 0x1000);
  CHECK(leaf(0x201234)->user);
  CHECK(leaf(0x201234)->writable);
  CHECK(leaf(0x201234)->dirty);
  CHECK_FALSE(leaf(0x201234)->no_execute);

  const auto with = [&](uint64_t at, uint64_t entry, auto&& check) {
    const auto saved = m.peek<uint64_t>(at);
    m.poke<uint64_t>(at, entry);
    check();
    m.poke<uint64_t>(at, saved);
  };
  const auto entry = m.peek<uint64_t>(pte), upper = m.peek<uint64_t>(pde), top = m.peek<uint64_t>(pml4e);
  const auto nothing = [&] { CHECK_FALSE(leaf(0x201234)); };
  with(pte, entry & ~uint64_t{1}, nothing);
  with(pte, entry & ~kAccessed, nothing);
  with(pde, upper & ~kAccessed, nothing);
  with(pte, entry | uint64_t{1} << 51, nothing);
  with(top & ~uint64_t{0xfff}, m.peek<uint64_t>(top & ~uint64_t{0xfff}) | 0x80, nothing);  // 1 GiB
  with(pml4e, top & ~uint64_t{2}, [&] { CHECK_FALSE(leaf(0x201234)->writable); });
  with(pde, upper & ~uint64_t{4}, [&] { CHECK_FALSE(leaf(0x201234)->user); });
  with(pte, entry & ~kDirty, [&] { CHECK_FALSE(leaf(0x201234)->dirty); });
  with(pde, upper | uint64_t{1} << 63, [&] {
    CHECK(leaf(0x201234)->no_execute);
    CHECK_FALSE(leaf(0x201234, false));
  });
  with(pde, 0x200087 | kAccessed, [&] {
    CHECK(leaf(0x212345)->gpa == 0x212345);
    CHECK(leaf(0x212345)->bytes == 0x200000);
  });
  with(pde, 0x202087 | kAccessed, nothing);
  CHECK_FALSE(leaf(uint64_t{1} << 47));
  CHECK_FALSE(find_leaf(memory, uint64_t{1} << 39, true, 0x201234));  // tables where there is no memory
}
