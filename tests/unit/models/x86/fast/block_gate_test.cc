// Where the gate lies: within reach of the engine's code, or nowhere.
#include "models/x86/fast/block_gate.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdlib>

#include "models/base/types.h"
#include "models/x86/soft_cpu.h"

namespace xensim::x86 {
namespace {

constexpr uint64_t kReach = uint64_t{1} << 31;

// Address space of which nothing is free: a page in its middle stands for the engine's code.
class FullAddressSpace {
 public:
  FullAddressSpace() : begin_(mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    REQUIRE(begin_ != MAP_FAILED);
  }
  ~FullAddressSpace() { munmap(begin_, kBytes); }
  CodeMapping code() const { return {begin() + kBytes / 2, begin() + kBytes / 2 + kPageSize}; }
  // Gives pages back, which the gate may then have.
  void free(uint64_t at, uint64_t bytes) { REQUIRE(munmap(reinterpret_cast<void*>(at), bytes) == 0); }

 private:
  static constexpr uint64_t kBytes = 3 * kReach;
  uint64_t begin() const { return reinterpret_cast<uint64_t>(begin_); }
  void* begin_;
};

bool fits(const CodeMapping& code) {
  const BlockGate gate({}, {.check = reinterpret_cast<const void*>(&std::abort)}, code);
  const bool near = gate.counted() != nullptr;
  CHECK((gate.hook() != nullptr) == near);
  if (near) {
    const auto at = reinterpret_cast<uint64_t>(gate.hook());
    CHECK((at < code.end ? code.end - at : at - code.begin) < kReach);
  }
  return near;
}

}  // namespace

TEST_CASE("without a free page within reach of the engine's code there is no gate") {
  FullAddressSpace space;
  CHECK(!fits(space.code()));
  space.free(space.code().begin - (16 << 20), 15 << 20);  // below
  CHECK(fits(space.code()));
}

TEST_CASE("the gate may lie above the engine's code") {
  FullAddressSpace space;
  CHECK(!fits(space.code()));
  space.free(space.code().end + (16 << 20), 15 << 20);
  CHECK(fits(space.code()));
}

TEST_CASE("a page beyond the reach of a near call is no place for the gate") {
  FullAddressSpace space;
  space.free(space.code().end + kReach, 15 << 20);
  CHECK(!fits(space.code()));
}

TEST_CASE("this process has room for the gate, and says nothing against fast paths") {
  CHECK(why_engine_is_plain() == "");
}

}  // namespace xensim::x86
