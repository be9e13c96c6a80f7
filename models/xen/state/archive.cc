#include "models/xen/state/archive.h"

#include <fmt/format.h>

#include "models/xen/domain.h"

namespace xensim::xen {

void StateArchive::fail(const char* name, const char* what) { fail(fmt::format("{} {}", name, what)); }

void StateArchive::check_below(const char* name, uint64_t value, uint64_t bound) {
  if (loading() && value >= bound) fail(fmt::format("{} is {}, out of range", name, value));
}

uint64_t StateArchive::size(const char* name, uint64_t count, uint64_t most) {
  integer(name, count, 4);
  if (!loading() || (count <= most && count <= left())) return count;
  fail(fmt::format("{} has {} elements, more than there can be", name, count));
  return 0;
}

void StateArchive::place(const char* name, Maddr& at, uint64_t bytes) {
  (*this)(name, at);
  check_place(name, at, bytes);
}

void StateArchive::check_place(const char* name, Maddr at, uint64_t bytes) {
  if (!loading() || bytes == 0) return;
  const bool in_a_page = (at.v & (kPageSize - 1)) + bytes <= kPageSize;
  if (!in_a_page || !platform->holds(at, bytes)) {
    fail(fmt::format("{} is at machine address {:#x}, where nothing is", name, at.v));
  }
}

void StateArchive::frame(const char* name, Mfn& frame) {
  (*this)(name, frame);
  check_frame(name, frame);
}

void StateArchive::check_frame(const char* name, Mfn frame) {
  if (!loading()) return;
  if (frame.v > ~uint64_t{0} >> (kPageShift + 1) || !platform->holds(Maddr{frame.v << kPageShift}, kPageSize)) {
    fail(fmt::format("{} is machine frame {:#x}, which there is not", name, frame.v));
  }
}

// A domain's id and one: 0 is none.
void StateArchive::domain(const char* name, Domain*& domain) {
  uint64_t value = domain == nullptr ? 0 : uint64_t{domain->id().v} + 1;
  integer(name, value, 4);
  if (!loading()) return;
  domain = value == 0 || value > 0x10000 ? nullptr : find_domain(DomId{static_cast<uint16_t>(value - 1)});
  if (value != 0 && domain == nullptr) fail(fmt::format("{} names a domain that there is not", name));
}

void StateReader::integer(const char* name, uint64_t& value, unsigned bytes) {
  value = 0;
  if (!ok()) return;
  if (left_.size() < bytes) return fail(fmt::format("it ends at {}", name));
  for (unsigned i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(left_[i]) << (8 * i);
  left_ = left_.subspan(bytes);
}

void StateDump::integer(const char* name, uint64_t& value, unsigned) {
  for (const std::string& each : path_) text += each;
  text += fmt::format("{}{} = {:#x}\n", path_.empty() || *name == 0 ? "" : ".", name, value);
}

void StateDump::open(const char* name, uint64_t index) {
  path_.push_back(fmt::format("{}{}[{}]", path_.empty() || *name == 0 ? "" : ".", name, index));
}

}  // namespace xensim::xen
