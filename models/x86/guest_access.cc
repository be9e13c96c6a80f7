#include "models/x86/guest_access.h"

#include <algorithm>

namespace xensim::x86 {
namespace {

unsigned bytes_in_page(uint64_t linear, unsigned bytes) {
  return static_cast<unsigned>(std::min<uint64_t>(bytes, kPageSize - linear % kPageSize));
}

}  // namespace

uint64_t GuestAccess::to_physical(uint64_t linear, Access access, bool user, bool explicit_access) {
  const WalkResult result = walk(
      memory_, state_, linear, {.access = access, .user = user, .explicit_access = explicit_access, .set_bits = true});
  if (!result.ok) throw Fault{kPageFault, result.error_code, linear};
  return result.gpa;
}

uint64_t GuestAccess::load(uint64_t linear, unsigned bytes, bool user, bool explicit_access) {
  const unsigned first = bytes_in_page(linear, bytes);
  if (first < bytes) {
    const uint64_t low = load(linear, first, user, explicit_access);
    return low | load(linear + first, bytes - first, user, explicit_access) << 8 * first;
  }
  const uint64_t gpa = to_physical(linear, Access::kRead, user, explicit_access);
  const auto* region = memory_.find(gpa);
  if (region && region->kind == PhysicalMemory::Kind::kMmio) return mmio_.mmio_load(gpa, bytes);
  return memory_.read(gpa, bytes);
}

void GuestAccess::store(uint64_t linear, unsigned bytes, uint64_t value, bool user, bool explicit_access) {
  const unsigned first = bytes_in_page(linear, bytes);
  if (first < bytes) {
    probe(linear, bytes, Access::kWrite, user, explicit_access);
    store(linear, first, value, user, explicit_access);
    store(linear + first, bytes - first, value >> 8 * first, user, explicit_access);
    return;
  }
  const uint64_t gpa = to_physical(linear, Access::kWrite, user, explicit_access);
  const auto* region = memory_.find(gpa);
  if (region && region->kind == PhysicalMemory::Kind::kMmio) {
    mmio_.mmio_store(gpa, bytes, value);
  } else {
    memory_.write(gpa, &value, bytes);
  }
}

void GuestAccess::probe(uint64_t linear, unsigned bytes, Access access, bool user, bool explicit_access) {
  to_physical(linear, access, user, explicit_access);
  const unsigned first = bytes_in_page(linear, bytes);
  if (first < bytes) to_physical(linear + first, access, user, explicit_access);
}

}  // namespace xensim::x86
