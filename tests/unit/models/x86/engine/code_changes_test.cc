// Code that changes where the engine does not see it by itself: each way, plainly and with the fast paths.
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <memory>

#include "models/x86/engine/code_mappings.h"
#include "models/x86/engine/host_frames.h"
#include "models/x86/soft_cpu_impl.h"
#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char do_jump[];

namespace xensim::x86::test {
namespace {

constexpr uint64_t kOwn = 0x260000;        // where a machine has the page itself, at the same virtual address
constexpr uint64_t kForeign = 0x20000000;  // where another one has it mapped,
constexpr uint64_t kForeignAt = 0x250000;  // and at which virtual address
constexpr uint64_t kFresh = 0x270000;      // other code, to be copied

// mov $value, %eax; nop; hlt; nop
uint64_t code(uint8_t value) { return 0x90f49000000000b8 | uint64_t{value} << 8; }

uint64_t call(TestMachine& m, uint64_t at) {
  m.change([&](CpuRegs& r) {
    r.rip = TestMachine::address(do_jump);
    r.gpr[kRax] = at;
  });
  REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
  return m.gpr(kRax);
}

void put(std::byte* at, uint8_t value) {
  const uint64_t bytes = code(value);
  std::memcpy(at, &bytes, sizeof bytes);
}

// Two domains; `other` has a page of `owner`'s mapped.
struct Pair {
  HostFrames frames;
  TestMachine owner, other;
  explicit Pair(bool plain)
      : owner({.plain_engine = plain, .frames = &frames}), other({.plain_engine = plain, .frames = &frames}) {
    for (TestMachine* m : {&owner, &other}) m->long64(do_jump);
    other.poke<uint64_t>(other.page_entry_at(kForeignAt), kForeign | 7);
    CHECK((owner_cpu().fast() == nullptr) == plain);
  }
  const SoftCpu& owner_cpu() const { return dynamic_cast<const SoftCpu&>(*owner.cpu); }
  std::byte* page() { return owner.ram.data() + kOwn; }
  void map() { REQUIRE(other.cpu->map_memory(Gpa{kForeign}, {page(), kPageSize}, true)); }
};

}  // namespace

TEST_CASE("what the host writes is seen by every engine that has the frame mapped") {
  for (const bool plain : {false, true}) {
    CAPTURE(plain);
    Pair p(plain);
    put(p.page(), 1);
    p.map();
    CHECK(call(p.owner, kOwn) == 1);
    CHECK(call(p.other, kForeignAt) == 1);
    CHECK(call(p.other, kForeignAt) == 1);
    // As a device's DMA and the core's store, rmw, write and copy do: in the middle of an instruction, and across
    // pages.
    p.page()[1] = std::byte{2};
    p.frames.changed(p.page() + 1, 1);
    CHECK(call(p.owner, kOwn) == 2);
    CHECK(call(p.other, kForeignAt) == 2);
    put(p.page(), 3);
    p.frames.changed(p.page() - kPageSize, 2 * kPageSize);
    CHECK(call(p.other, kForeignAt) == 3);
    CHECK(call(p.owner, kOwn) == 3);
    put(p.page(), 4);
    p.other.cpu->invalidate_code(Gpa{kForeign}, 8);  // said of one of them
    CHECK(call(p.owner, kOwn) == 4);
    CHECK(call(p.other, kForeignAt) == 4);
  }
}

TEST_CASE("what another domain's CPU stores into a page that it has mapped is seen") {
  for (const bool plain : {false, true}) {
    for (const bool mapped_first : {false, true}) {
      CAPTURE(plain);
      CAPTURE(mapped_first);
      Pair p(plain);
      put(p.page(), 1);
      if (mapped_first) p.map();
      CHECK(call(p.owner, kOwn) == 1);
      CHECK(call(p.owner, kOwn) == 1);
      if (!mapped_first) p.map();
      for (const uint8_t value : {uint8_t{2}, uint8_t{3}}) {
        put(p.other.ram.data() + kFresh, value);
        copy(p.other, kFresh, kForeignAt);
        CHECK(call(p.owner, kOwn) == value);
      }
      // The other way: the page's owner stores, the other one runs it.
      for (const uint8_t value : {uint8_t{4}, uint8_t{5}}) {
        put(p.owner.ram.data() + kFresh, value);
        copy(p.owner, kFresh, kOwn);
        CHECK(call(p.other, kForeignAt) == value);
        CHECK(call(p.owner, kOwn) == value);
      }
    }
  }
}

TEST_CASE("a page that its own domain changes and another one changes back") {
  for (const bool plain : {false, true}) {
    CAPTURE(plain);
    Pair p(plain);
    put(p.page(), 1);
    p.map();
    CHECK(call(p.owner, kOwn) == 1);
    CHECK(call(p.owner, kOwn) == 1);
    put(p.owner.ram.data() + kFresh, 2);
    copy(p.owner, kFresh, kOwn);
    CHECK(call(p.owner, kOwn) == 2);
    put(p.other.ram.data() + kFresh, 1);
    copy(p.other, kFresh, kForeignAt);
    CHECK(call(p.owner, kOwn) == 1);
  }
}

TEST_CASE("what is stored through another mapping of the same domain is seen in its next run") {
  for (const bool plain : {false, true}) {
    CAPTURE(plain);
    TestMachine m({.plain_engine = plain});
    m.long64(do_jump);
    put(m.ram.data() + kOwn, 1);
    REQUIRE(m.cpu->map_memory(Gpa{kForeign}, m.ram.subspan(kOwn, kPageSize), true));
    m.poke<uint64_t>(m.page_entry_at(kForeignAt), kForeign | 7);
    CHECK(call(m, kOwn) == 1);
    for (const uint8_t value : {uint8_t{2}, uint8_t{3}}) {
      put(m.ram.data() + kFresh, value);
      copy(m, kFresh, kForeignAt);
      CHECK(call(m, kOwn) == value);
    }
  }
}

TEST_CASE("another frame comes to an address that code was run from, at another virtual address") {
  for (const bool plain : {false, true}) {
    CAPTURE(plain);
    alignas(4096) static std::array<std::byte, kPageSize> one, two;
    TestMachine m({.plain_engine = plain});
    m.long64(do_jump);
    m.poke<uint64_t>(m.page_entry_at(kForeignAt), kForeign | 7);
    put(one.data(), 1);
    put(two.data(), 2);
    // As add_to_physmap does, and memory exchange.
    for (unsigned round = 0; round < 3; ++round) {
      REQUIRE(m.cpu->map_memory(Gpa{kForeign}, one, true));
      CHECK(call(m, kForeignAt) == 1);
      m.cpu->unmap_memory(Gpa{kForeign}, kPageSize);
      REQUIRE(m.cpu->map_memory(Gpa{kForeign}, two, true));
      CHECK(call(m, kForeignAt) == 2);
      m.cpu->unmap_memory(Gpa{kForeign}, kPageSize);
    }
    // And within the RAM, which is mapped in pieces from then on.
    m.poke<uint64_t>(m.page_entry_at(kForeignAt), kOwn | 7);
    put(m.ram.data() + kOwn, 3);
    CHECK(call(m, kForeignAt) == 3);
    m.cpu->unmap_memory(Gpa{kOwn}, kPageSize);
    REQUIRE(m.cpu->map_memory(Gpa{kOwn}, two, true));
    CHECK(call(m, kForeignAt) == 2);
    m.cpu->unmap_memory(Gpa{kOwn}, kPageSize);
    REQUIRE(m.cpu->map_memory(Gpa{kOwn}, m.ram.subspan(kOwn, kPageSize), true));
    CHECK(call(m, kForeignAt) == 3);
  }
}

TEST_CASE("a new mapping is what is in no old one, where it is one piece") {
  const auto is = [](const CodeMapping& got, uint64_t begin, uint64_t end) {
    return got.begin == begin && got.end == end;
  };
  CHECK(is(new_mapping({}, {{1, 2}}), 1, 2));
  CHECK(is(new_mapping({{1, 2}}, {{1, 2}, {5, 9}}), 5, 9));
  CHECK(is(new_mapping({{5, 9}}, {{2, 9}}), 2, 5));
  CHECK(is(new_mapping({{1, 2}, {5, 9}}, {{1, 9}}), 2, 5));
  CHECK(is(new_mapping({{5, 9}}, {{5, 9}}), 0, 0));
  CHECK(is(new_mapping({{5, 6}}, {{2, 9}}), 0, 0));
  CHECK(is(new_mapping({}, {{1, 2}, {5, 9}}), 0, 0));
}

}  // namespace xensim::x86::test
