// Guest-physical memory, translation, code that changes, points, and several vCPUs on one engine.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

#include "models/x86/fast/fast_paths.h"
#include "models/x86/soft_cpu_impl.h"
#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char smc_caller[], smc_writer[], smc_self[], smc_body[], do_load[], points[], points_a[],
    points_b[], do_nothing[], irq_program[], sti_hlt[], movss_shadow[], popf_program[], store_rip_handler[],
    halt_handler[], do_jump[], vex_arithmetic[], count_loop[], out_nops[], real_loop[], do_pf_read[], do_pf_write[],
    late_sti[], late_popf[], late_iret[], late_sysret[], reload_cr3[], store_often[];

using namespace xensim;
using namespace xensim::x86;
using namespace xensim::x86::test;

namespace {

// 2 MiB pages identity-map the first GiB.
void map_first_gib(TestMachine& m) {
  for (uint64_t i = 2; i < 512; ++i) m.poke<uint64_t>(kPageTables + 0x2000 + 8 * i, i << 21 | 0x87);
}

}  // namespace

TEST_CASE("where nothing is mapped, reads give ones and writes vanish") {
  TestMachine m;
  m.long64(do_load);
  map_first_gib(m);
  CHECK(copy(m, 0x10000000, 0x10000000) == ~uint64_t{0});
  CHECK(copy(m, 0x10000000, kData) == ~uint64_t{0});
  CHECK(copy(m, 0x3ffff000, kData) == ~uint64_t{0});
}

TEST_CASE("memory comes and goes while the guest runs") {
  TestMachine m;
  m.long64(do_load);
  map_first_gib(m);
  alignas(4096) static std::array<std::byte, 0x3000> extra;
  extra.fill(std::byte{0x11});
  CHECK(copy(m, 0x20001000, kData) == ~uint64_t{0});
  REQUIRE(m.cpu->map_memory(Gpa{0x20000000}, extra, true));
  CHECK(copy(m, 0x20001000, 0x20002008) == 0x1111111111111111);
  m.cpu->unmap_memory(Gpa{0x20001000}, 0x1000);
  CHECK(copy(m, 0x20001000, kData) == ~uint64_t{0});
  CHECK(copy(m, 0x20002000, kData) == 0x1111111111111111);
  REQUIRE(m.cpu->map_mmio(Gpa{0x20001000}, 0x1000));
  CHECK(copy(m, 0x20001000, kData) == 0x5566778855667788);
  CHECK_FALSE(m.cpu->map_memory(Gpa{0x20000000}, extra, true));
  CHECK_FALSE(m.cpu->map_memory(Gpa{0x30000800}, extra, true));
  CHECK_FALSE(m.cpu->map_memory(Gpa{uint64_t{1} << 40}, extra, true));
}

TEST_CASE("stores to read-only memory vanish") {
  TestMachine m;
  m.long64(do_load);
  map_first_gib(m);
  alignas(4096) static std::array<std::byte, 0x1000> rom;
  rom.fill(std::byte{0x22});
  REQUIRE(m.cpu->map_memory(Gpa{0x20000000}, rom, false));
  CHECK(copy(m, kData, 0x20000000) == 0);
  CHECK(copy(m, 0x20000000, kData) == 0x2222222222222222);
  CHECK(m.gpr(kRax) == 0x2222222222222222);
}

TEST_CASE("stores to pages that may be executed: with code, without, read-only, and across their border") {
  TestMachine m;
  m.long64(store_often);
  map_first_gib(m);
  constexpr uint64_t kValue = 0x1122334455667788;
  const auto store = [&](uint64_t to, uint64_t value) {
    m.change([&](CpuRegs& r) {
      r.rip = TestMachine::address(store_often);
      r.gpr[kRax] = value;
      r.gpr[kRdi] = to;
    });
    REQUIRE(m.run() == CpuExit::kHalt);
  };
  for (const uint64_t to : {kData, kData + 0xff4, kData + 0xfec, kData + 0xff9}) {
    CAPTURE(to);
    store(to, kValue);
    CHECK(m.peek<uint64_t>(to) == kValue);
    CHECK(m.peek<uint64_t>(to + 8) == kValue);
    CHECK(m.peek<uint32_t>(to + 16) == 0x55667788);
    CHECK(m.peek<uint16_t>(to + 20) == 0x7788);
    CHECK(m.peek<uint8_t>(to + 22) == 0x88);
    CHECK(m.peek<uint64_t>(to + 23) == kValue);
  }
  // The engine's TLB is as expected, and such stores do without the engine.
  CHECK(fast_of(m).gate().state().tlb_known == 1);
  alignas(4096) static std::array<std::byte, 0x1000> rom;
  rom.fill(std::byte{0x22});
  REQUIRE(m.cpu->map_memory(Gpa{0x20000000}, rom, false));
  store(0x20000000, kValue);
  CHECK(std::all_of(rom.begin(), rom.end(), [](std::byte each) { return each == std::byte{0x22}; }));
  // Code comes into a page that was stored to so, runs, and is changed.
  for (const uint32_t value : {0x11u, 0x22u, 0x33u}) {
    store(kData + 0x40, uint64_t{0xf4} << 40 | uint64_t{value} << 8 | 0xbb);  // mov $value, %ebx; hlt
    m.change([](CpuRegs& r) { r.rip = kData + 0x48; });
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kRbx) == value);
  }
}

TEST_CASE("code that a store changes, in its own block, and through another mapping") {
  TestMachine self;
  self.long64(smc_self);
  REQUIRE(self.run() == CpuExit::kHalt);
  CHECK(self.gpr(kRbx) == 0x55);

  TestMachine m;
  m.long64(smc_caller);
  const uint64_t body = TestMachine::address(smc_body), page = body & ~uint64_t{0xfff};
  m.poke<uint64_t>(m.page_entry_at(0x250000), page | 0x8000000000000003);  // a second, non-executable mapping
  m.change([&](CpuRegs& r) {
    r.gpr[kRax] = body;
    r.gpr[kRdx] = 0x250000 + (body & 0xfff);
  });
  REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
  CHECK(m.gpr(kR8) == 0x11);
  CHECK(m.gpr(kRbx) == 0x22);
  // Again: the block is translated anew each time, and each store must be seen.
  for (const uint8_t value : {uint8_t{0x33}, uint8_t{0x44}}) {
    m.poke<uint8_t>(body + 1, value);
    m.cpu->invalidate_code(Gpa{body}, 5);
    m.change([&](CpuRegs& r) { r.rip = TestMachine::address(smc_caller); });
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK(m.gpr(kR8) == value);
    CHECK(m.gpr(kRbx) == 0x22);
  }
}

TEST_CASE("code in a page that was written through another mapping before it held any") {
  for (const bool code_is_near : {false, true}) {
    CAPTURE(code_is_near);
    TestMachine m;
    m.long64(smc_writer);
    constexpr uint64_t kBody = 0x260000, kNear = kBody + 0x1000;
    if (code_is_near) {
      m.poke<uint8_t>(kNear, 0xf4);
      m.change([](CpuRegs& r) { r.rip = kNear; });
      REQUIRE(m.run() == CpuExit::kHalt);
    }
    const uint8_t body[] = {0x90, 0x11, 0, 0, 0, 0xc3};  // the first store makes it mov $0x11, %ebx
    std::memcpy(m.ram.data() + kBody, body, sizeof body);
    m.poke<uint64_t>(m.page_entry_at(0x250000), kBody | 0x8000000000000003);
    m.change([&](CpuRegs& r) {
      r.rip = TestMachine::address(smc_writer);
      r.gpr[kRax] = kBody;
      r.gpr[kRdx] = 0x250000;
    });
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    CHECK(m.gpr(kR8) == 0x11);
    CHECK(m.gpr(kRbx) == 0x22);
  }
}

TEST_CASE("arithmetic on general registers that CPUID announces, with and without CR4.OSFXSR") {
  for (const uint64_t osfxsr : {1u << 9, 0u}) {
    TestMachine m;
    m.long64(vex_arithmetic);
    m.change([&](CpuRegs& r) {
      r.cr4 = (r.cr4 & ~uint64_t{1 << 9}) | osfxsr;
      r.gpr[kRbx] = 0;
      r.gpr[kRsi] = 0x123456789abcdef0;
      r.gpr[kRdi] = 0xfedcba9876543210;
      r.gpr[kRcx] = 0x0907;
    });
    REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
    CHECK(m.gpr(kRbx) == 0xf3916301b2031cb4);  // what a processor computes
    CHECK(m.count() == 39);
  }
}

TEST_CASE("a page that comes to show other code") {
  TestMachine m;
  m.long64(do_jump);
  m.poke<uint64_t>(m.page_entry_at(0x250000), 0x260007);
  const auto code = [&](uint64_t at, uint8_t value) {
    const uint8_t bytes[] = {0xb8, value, 0, 0, 0, 0x90, 0xf4};
    std::memcpy(m.ram.data() + at, bytes, sizeof bytes);
  };
  code(0x260000, 1);
  code(0x261000, 2);
  // Same address and size, another number of instructions: mov $imm16 takes 4 bytes, and a nop.
  const uint8_t other[] = {0x66, 0xb8, 3, 0, 0x90, 0x90, 0xf4};
  std::memcpy(m.ram.data() + 0x262000, other, sizeof other);
  uint64_t before = m.count();
  for (const auto& [frame, value, instructions] : {std::tuple{0x260000, 1, 4}, std::tuple{0x261000, 2, 4},
                                                   std::tuple{0x262000, 3, 5}, std::tuple{0x260000, 1, 4}}) {
    m.poke<uint64_t>(m.page_entry_at(0x250000), static_cast<uint64_t>(frame) | 7);
    m.change([&](CpuRegs& r) {
      r.rip = TestMachine::address(do_jump);
      r.gpr[kRax] = 0x250000;
    });
    REQUIRE(m.run() == CpuExit::kHalt);
    CHECK((m.gpr(kRax) & 0xffff) == static_cast<uint64_t>(value));
    CHECK(m.count() - before == static_cast<uint64_t>(instructions));
    before = m.count();
  }
}

TEST_CASE("translate walks as the processor does") {
  TestMachine m;
  m.long64(do_nothing);
  const auto at = [&](uint64_t linear, Access access) { return m.cpu->translate({0}, Gva{linear}, access); };
  CHECK(at(0x201234, Access::kRead) == Gpa{0x201234});
  m.poke<uint64_t>(m.page_entry_at(0x201000), 0);
  CHECK_FALSE(at(0x201234, Access::kRead));
  m.poke<uint64_t>(m.page_entry_at(0x201000), 0x8000000000202001);
  CHECK(at(0x201234, Access::kRead) == Gpa{0x202234});
  CHECK_FALSE(at(0x201234, Access::kWrite));  // CR0.WP
  CHECK_FALSE(at(0x201234, Access::kExecute));
  m.change([](CpuRegs& r) { r.cr0 &= ~uint64_t{0x10000}; });
  CHECK(at(0x201234, Access::kWrite) == Gpa{0x202234});
  CHECK(at(0x203000, Access::kExecute));
  m.change([](CpuRegs& r) { r.cr4 |= 1 << 20; });  // SMEP
  CHECK_FALSE(at(0x203000, Access::kExecute));
  m.change([](CpuRegs& r) { r.cr4 |= 1 << 21; });  // SMAP
  CHECK_FALSE(at(0x203000, Access::kRead));
  m.change([](CpuRegs& r) { r.rflags |= 0x40000; });  // AC
  CHECK(at(0x203000, Access::kRead));
  m.poke<uint64_t>(kPageTables + 0x2008, 0x600087);  // a 2 MiB page
  CHECK(at(0x2abcde, Access::kRead) == Gpa{0x6abcde});
  CHECK_FALSE(at(0x8000000000, Access::kRead));

  // 32-bit paging with a 4 MiB page and PSE-36, then PAE.
  m.change([](CpuRegs& r) {
    r.efer = 0;
    r.cr4 = 0x10;
    r.cr3 = 0x300000;
    r.seg[kCs].attributes = 0xc9b;
  });
  m.poke<uint32_t>(0x300000 + 4, 0x00c00083 | 1 << 13);
  m.poke<uint32_t>(0x300000, 0x301003);
  m.poke<uint32_t>(0x301000 + 4 * 5, 0x7001);
  CHECK(at(0x412345, Access::kRead) == Gpa{0x100c12345});
  CHECK(at(0x5678, Access::kRead) == Gpa{0x7678});
  m.change([](CpuRegs& r) { r.cr4 = 0x20; });
  m.poke<uint64_t>(0x300000, 0x301001);
  m.poke<uint64_t>(0x301000, 0x302003);
  m.poke<uint64_t>(0x302000 + 8 * 6, 0x123456003);
  CHECK(at(0x6789, Access::kRead) == Gpa{0x123456789});
  m.change([](CpuRegs& r) { r.cr0 &= 0x7fffffff; });
  CHECK(at(0x6789, Access::kRead) == Gpa{0x6789});
}

TEST_CASE("event delivery sets accessed and dirty bits") {
  TestMachine m;
  m.long64(do_pf_read, halt_handler);
  m.poke<uint64_t>(m.page_entry_at(0x201000), 0);
  m.change([](CpuRegs& r) { r.gpr[kRsp] = 0x240000; });
  REQUIRE(m.run() == CpuExit::kHalt);
  CHECK((m.peek<uint64_t>(m.page_entry_at(0x23f000)) & 0x60) == 0x60);
  CHECK((m.peek<uint64_t>(m.page_entry_at(kIdt)) & 0x60) == 0x20);
}

TEST_CASE("points: once each time, again after an interrupt") {
  TestMachine m;
  m.long64(points, store_rip_handler);
  const Gva where[] = {{TestMachine::address(points_a)}, {TestMachine::address(points_b)}};
  REQUIRE(m.cpu->set_points(where));
  REQUIRE(m.run() == CpuExit::kHalt);
  REQUIRE(m.log.size() == 4);
  CHECK(m.log[0].starts_with("2 point"));
  CHECK(m.log[1].starts_with("6 point"));
  CHECK(m.log[3].starts_with("13 point"));

  for (const uint64_t slice : {1, 2, 1000}) {
    CAPTURE(slice);
    TestMachine s;
    s.long64(points);
    REQUIRE(s.cpu->set_points(where));
    s.answer = CpuAction::kSuspend;
    unsigned stops = 0;
    CpuExit exit = CpuExit::kSlice;
    while (exit != CpuExit::kHalt) {
      exit = s.run(slice);
      if (exit != CpuExit::kSuspended) continue;
      ++stops;
      CHECK(s.regs().rip == where[stops == 4 ? 1 : 0].v);
      CHECK(s.gpr(kRbx) == std::min(stops - 1, 3u));
    }
    CHECK(stops == 4);
    CHECK(s.log.size() == 4);
    CHECK(s.count() == 14);
  }

  TestMachine i;
  i.long64(points, store_rip_handler);
  i.change([](CpuRegs& r) { r.rflags |= 0x200; });
  REQUIRE(i.cpu->set_points(where));
  i.answer = CpuAction::kSuspend;
  REQUIRE(i.run() == CpuExit::kSuspended);
  i.vectors.push_back(0x60);
  i.cpu->raise_interrupt({0});
  REQUIRE(i.run() == CpuExit::kSuspended);  // after the handler's IRET
  CHECK(i.gpr(kR15) == 1);
  CHECK(i.log.size() == 3);
  CHECK(i.gpr(kRbx) == 0);
  REQUIRE(i.cpu->set_points({}));
  CHECK(i.run() == CpuExit::kHalt);
}

TEST_CASE("interrupts wait for IF and for the shadow, and keep HLT from halting") {
  const auto with_interrupt = [](const unsigned char* snippet) {
    auto m = std::make_unique<TestMachine>();
    m->long64(snippet, store_rip_handler);
    m->vectors.push_back(0x60);
    m->cpu->raise_interrupt({0});
    return m;
  };
  for (const uint64_t slice : {1, 1000}) {
    const auto drive = [&](TestMachine& m) {
      CpuExit exit = CpuExit::kSlice;
      while (exit == CpuExit::kSlice) exit = m.run(slice);
      return exit;
    };
    auto m = with_interrupt(irq_program);
    REQUIRE(drive(*m) == CpuExit::kHalt);
    CHECK(m->gpr(kR12) == TestMachine::address(irq_program) + 3);  // past the instruction after STI
    CHECK(m->log.at(0) == "3 ack 60");

    auto h = with_interrupt(sti_hlt);
    REQUIRE(drive(*h) == CpuExit::kHalt);
    CHECK(h->gpr(kR12) == TestMachine::address(sti_hlt) + 2);  // past the HLT, which did not halt
    CHECK(h->gpr(kRbx) == 1);

    auto p = with_interrupt(popf_program);
    REQUIRE(drive(*p) == CpuExit::kHalt);
    CHECK(p->log.at(0) == "2 ack 60");

    TestMachine s;
    s.long64(movss_shadow, store_rip_handler);
    REQUIRE(s.run(3) == CpuExit::kSlice);
    s.vectors.push_back(0x60);
    REQUIRE(s.run(1) == CpuExit::kSlice);  // MOV SS
    s.cpu->raise_interrupt({0});
    REQUIRE(drive(s) == CpuExit::kHalt);
    CHECK(s.gpr(kR12) == TestMachine::address(movss_shadow) + 13);  // past the load of RSP
  }
}

TEST_CASE("an interrupt that waits for IF comes right after any instruction that sets it, however long that takes") {
  struct Row {
    const unsigned char* snippet;
    const char* log;
  };
  constexpr unsigned kWhile = 1 + 2 * 100 + 1;
  const Row rows[] = {
      {late_sti, "2 ack 60"}, {late_popf, "2 ack 60"}, {late_iret, "10 ack 60"}, {late_sysret, "11 ack 60"}};
  for (const Row& row : rows) {
    for (const uint64_t slice : {uint64_t{1}, uint64_t{7}, uint64_t{1000}}) {
      CAPTURE(row.log);
      CAPTURE(slice);
      TestMachine m(1, slice == 7);
      m.long64(row.snippet, store_rip_handler);
      m.vectors.push_back(0x60);
      m.cpu->raise_interrupt({0});
      for (unsigned steps = 0; m.log.empty() && steps < 1000; ++steps) m.run(slice);
      CHECK(m.log.at(0) == std::to_string(kWhile + std::stoul(row.log)) + " ack 60");
      CHECK(fast_of(m).block_code().all_reworked());
    }
  }
}

TEST_CASE("vCPUs: INIT, SIPI, and each its own state and count on one engine") {
  TestMachine m(3);
  m.long64(count_loop);
  m.long64(count_loop, nullptr, {2});
  CHECK(m.run(100, {1}) == CpuExit::kHalt);  // waits for a SIPI
  CHECK(m.count({1}) == 0);
  m.cpu->init({1});
  std::memcpy(m.ram.data() + 0x12000, real_loop, 16);
  m.cpu->startup({1}, 0x12);
  CHECK(m.cpu->mode({1}) == CpuMode::kReal);
  CHECK(m.regs({1}).seg[kCs].base == 0x12000);
  m.cpu->startup({1}, 0x13);  // a second one is ignored
  CHECK(m.regs({1}).seg[kCs].selector == 0x1200);
  for (unsigned round = 0; round < 50; ++round) {
    for (const uint32_t v : {0u, 1u, 2u}) {
      const uint64_t before = m.count({v});
      REQUIRE(m.run(7 + v, {v}) == CpuExit::kSlice);
      CHECK(m.count({v}) == before + 7 + v);
    }
  }
  CHECK(m.gpr(kRax, {0}) == 3 * ((50 * 7 - 1 + 3) / 4));
  CHECK(m.gpr(kRax, {2}) == 3 * ((50 * 9 - 1 + 3) / 4));
  CHECK((m.gpr(kRax, {1}) & 0xffff) == 3 * (50 * 8 / 2));
  m.cpu->init({1});
  CHECK(m.run(10, {1}) == CpuExit::kHalt);
}

TEST_CASE("vCPUs with the same page tables share what the engine keeps of them, and what one flushes is flushed") {
  TestMachine m(2);
  m.long64(do_load);
  m.long64(do_load, nullptr, {1});
  m.poke<uint64_t>(0x201000, 1);
  m.poke<uint64_t>(0x202000, 2);
  const auto load = [&](uint32_t v) {
    m.change(
        [&](CpuRegs& r) {
          r.rip = TestMachine::address(do_load);
          r.gpr[kRsi] = 0x201000;
          r.gpr[kRdi] = kData;
        },
        {v});
    REQUIRE(m.run(100, {v}) == CpuExit::kHalt);
    return m.gpr(kRax, {v});
  };
  CHECK(load(0) == 1);
  CHECK(load(1) == 1);
  m.poke<uint64_t>(m.page_entry_at(0x201000), 0x202007);
  m.change([&](CpuRegs& r) { r.rip = TestMachine::address(reload_cr3); }, {1});
  REQUIRE(m.run(100, {1}) == CpuExit::kHalt);
  CHECK(load(0) == 2);
  CHECK(load(1) == 2);
}

TEST_CASE("a vCPU's TLB is its own") {
  TestMachine m(2);
  m.long64(do_load);
  m.long64(do_load, nullptr, {1});
  // vCPU 1 sees another frame at the same address.
  std::memcpy(m.ram.data() + 0x380000, m.ram.data() + kPageTables, 0x5000);
  m.poke<uint64_t>(0x380000, 0x381007);
  m.poke<uint64_t>(0x381000, 0x382007);
  m.poke<uint64_t>(0x382000, 0x383007);
  m.poke<uint64_t>(0x382008, 0x384007);
  m.poke<uint64_t>(0x383000 + (0x201000 >> 12) * 8, 0x202007);
  m.poke<uint64_t>(0x201000, 1);
  m.poke<uint64_t>(0x202000, 2);
  for (unsigned round = 0; round < 3; ++round) {
    for (const uint32_t v : {0u, 1u}) {
      m.change(
          [&](CpuRegs& r) {
            r.rip = TestMachine::address(do_load);
            r.cr3 = v == 0 ? kPageTables : 0x380000;
            r.gpr[kRsi] = 0x201000;
            r.gpr[kRdi] = kData;
          },
          {v});
      REQUIRE(m.run(100, {v}) == CpuExit::kHalt);
      CHECK(m.gpr(kRax, {v}) == v + 1);
    }
  }
}
