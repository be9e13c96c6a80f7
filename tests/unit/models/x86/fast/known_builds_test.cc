// Which builds of the engine have fast paths, and reads that may fail.
#include "models/x86/fast/known_builds.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "models/x86/fast/fast_paths.h"
#include "models/x86/fast/live_state.h"
#include "models/x86/fast/safe_read.h"
#include "models/x86/soft_cpu_impl.h"
#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char count_loop[];

namespace xensim::x86 {
namespace {

TEST_CASE("the build that is loaded is in the list, and another is used plainly") {
  const std::string id = engine_build_id();
  CAPTURE(id);
  CHECK(id.size() == 40);
  CHECK_FALSE(known_build(id).empty());
  CHECK(why_no_fast_paths() == "");
  const std::string planted = "00" + id.substr(2);
  CHECK(known_build(planted).empty());
  CHECK(why_no_fast_paths(planted) == "the engine's build " + planted + " is not in models/x86/fast/known_builds.def");
  CHECK(why_no_fast_paths("") ==
        "the engine's build without a GNU build-id is not in models/x86/fast/known_builds.def");
  test::TestMachine unknown({.build_id = planted});
  CHECK(dynamic_cast<const SoftCpu&>(*unknown.cpu).fast() == nullptr);
  test::TestMachine plain({.plain_engine = true});
  CHECK(dynamic_cast<const SoftCpu&>(*plain.cpu).fast() == nullptr);
  test::TestMachine fast;
  CHECK(dynamic_cast<const SoftCpu&>(*fast.cpu).fast() != nullptr);
  for (test::TestMachine* m : {&unknown, &plain, &fast}) {
    m->long64(count_loop);
    CHECK(m->run(100) == CpuExit::kSlice);
    CHECK(m->count() == 100);
  }
  CHECK(unknown.regs().rip == fast.regs().rip);
  CHECK(plain.regs().rip == fast.regs().rip);
}

TEST_CASE("a wild pointer is refused, not followed") {
  uint64_t value = 7;
  CHECK(safe_load<uint64_t>(reinterpret_cast<uintptr_t>(&value)) == 7);
  CHECK_FALSE(safe_load<uint64_t>(8));
  CHECK_FALSE(safe_load<uint64_t>(uint64_t{1} << 62));
  // The second half of what is read is in a page that may not be.
  auto* pages =
      static_cast<std::byte*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(mprotect(pages + 4096, 4096, PROT_NONE) == 0);
  const auto at = reinterpret_cast<uintptr_t>(pages);
  CHECK(safe_load<uint64_t>(at + 4088) == 0);
  CHECK_FALSE(safe_load<uint64_t>(at + 4092));

  // A state whose TLB's tables are nowhere, and one that is nowhere itself.
  test::TestMachine m;
  auto engine = Engine::open();
  REQUIRE(engine);
  PhysicalMemory memory(**engine, const_cast<SoftCpu&>(dynamic_cast<const SoftCpu&>(*m.cpu)));
  EngineTlb tlb((*engine)->layout(), memory);
  std::vector<std::byte> state(8192, std::byte{0});
  std::byte* const env = state.data() + 4096;
  const uint64_t mask = 255 << GATE_ENTRY_SHIFT;
  for (const uint64_t wild : {uint64_t{8}, uint64_t{1} << 62, uint64_t{at + 4096}}) {
    for (unsigned use = 0; use < 3; ++use) {
      std::memcpy(env + GATE_TLB + 16 * use, &mask, sizeof mask);
      std::memcpy(env + GATE_TLB + 16 * use + 8, &wild, sizeof wild);
      CHECK(tlb.prove(env, 0x1000, use) == false);
    }
  }
  CHECK(tlb.prove(pages + 4096 + 64, 0x1000, 0) == false);
  CHECK(tlb.prove(reinterpret_cast<std::byte*>(uint64_t{1} << 62), 0x1000, 0) == false);
  const Context context((*engine)->get());
  CHECK_FALSE(LiveState(pages + 4096 + 64, (*engine)->layout()).is_of(context));
  munmap(pages, 8192);
}

}  // namespace
}  // namespace xensim::x86
