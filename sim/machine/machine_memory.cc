// See machine_memory.h.
#include "sim/machine/machine_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "models/base/check.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kLarge = uint64_t{256} << 20;

}  // namespace

Result<MachineMemory> MachineMemory::reserve(uint64_t bytes, uint64_t fixed_at) {
  const int protection = PROT_READ | PROT_WRITE | (fixed_at != 0 ? PROT_EXEC : 0);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (fixed_at != 0 ? MAP_FIXED_NOREPLACE : 0);
  void* base = mmap(reinterpret_cast<void*>(fixed_at), bytes, protection, flags, -1, 0);
  if (base == MAP_FAILED) {
    return environment_error(
        fmt::format("cannot reserve {} MiB for guest memory: {}", bytes >> 20, std::strerror(errno)));
  }
  // A kernel's memory, which is used a good part of, is had by large pages; where there are none, by small ones.
  if (bytes >= kLarge) madvise(base, bytes, MADV_HUGEPAGE);
  return MachineMemory(static_cast<std::byte*>(base), bytes);
}

MachineMemory::MachineMemory(MachineMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_), used_(other.used_) {}

MachineMemory::~MachineMemory() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

Maddr MachineMemory::allocate(uint64_t bytes) {
  XS_CHECK_MSG(bytes <= bytes_ - used_, "the machine's memory is used up");
  const Maddr at{used_};
  used_ += bytes;
  return at;
}

void MachineMemory::release_to(uint64_t mark) {
  XS_CHECK(mark <= used_);
  std::memset(base_ + mark, 0, used_ - mark);
  used_ = mark;
}

void MachineMemory::clear(Maddr at, uint64_t bytes) {
  XS_CHECK(contains(at, bytes));
  // Private anonymous memory is zero again once the host has taken its pages back.
  XS_CHECK(madvise(host(at), bytes, MADV_DONTNEED) == 0);
}

}  // namespace xensim::sim
