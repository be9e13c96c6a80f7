// The hash of a guest's memory: content and place count, what the host has touched does not.
#include "sim/machine/memory_hash.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include "models/base/types.h"

using namespace xensim;

namespace {

struct Mapping {
  Mapping() {
    void* at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(at != MAP_FAILED);
    memory = {static_cast<std::byte*>(at), kBytes};
  }
  ~Mapping() { munmap(memory.data(), memory.size()); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  static constexpr size_t kBytes = size_t{64} << 30;  // far more than any host would like to touch
  std::span<std::byte> memory;
};

}  // namespace

TEST_CASE("a page that was written and is zero again is as if untouched, content and place count") {
  Mapping a, b;
  a.memory[5 * kPageSize] = std::byte{1};
  CHECK(sim::memory_hash(a.memory.first(64 * kPageSize)) != sim::memory_hash(b.memory.first(64 * kPageSize)));
  a.memory[5 * kPageSize] = std::byte{0};
  CHECK(sim::memory_hash(a.memory) == sim::memory_hash(b.memory));
  a.memory[5 * kPageSize + 7] = b.memory[6 * kPageSize + 7] = std::byte{1};
  CHECK(sim::memory_hash(a.memory) != sim::memory_hash(b.memory));
}
