#include "models/xen/state/core_reader.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "models/xen/domain.h"

namespace xensim::xen {

CoreReader& core_reader(StateArchive& ar) {
  auto* const reader = dynamic_cast<CoreReader*>(&ar);
  XS_CHECK(reader != nullptr);
  return *reader;
}

void place_field(StateArchive& ar, const char* name, Maddr& at, uint64_t bytes) {
  ar(name, at);
  check_place(ar, name, at, bytes);
}

void check_place(StateArchive& ar, const char* name, Maddr at, uint64_t bytes) {
  if (!ar.loading() || bytes == 0) return;
  const bool in_a_page = (at.v & (kPageSize - 1)) + bytes <= kPageSize;
  if (!in_a_page || !core_reader(ar).platform.holds(at, bytes)) {
    ar.fail(fmt::format("{} is at machine address {:#x}, where nothing is", name, at.v));
  }
}

void frame_field(StateArchive& ar, const char* name, Mfn& frame) {
  ar(name, frame);
  check_frame(ar, name, frame);
}

void check_frame(StateArchive& ar, const char* name, Mfn frame) {
  if (!ar.loading()) return;
  if (frame.v > ~uint64_t{0} >> (kPageShift + 1) ||
      !core_reader(ar).platform.holds(Maddr{frame.v << kPageShift}, kPageSize)) {
    ar.fail(fmt::format("{} is machine frame {:#x}, which there is not", name, frame.v));
  }
}

// The domain's id and one; 0 is none.
void domain_field(StateArchive& ar, const char* name, Domain*& domain) {
  uint64_t value = domain == nullptr ? 0 : uint64_t{domain->id().v} + 1;
  ar.integer(name, value, 4);
  if (!ar.loading()) return;
  const bool is_id = value != 0 && value <= 0x10000;
  domain = is_id ? core_reader(ar).find_domain(DomId{static_cast<uint16_t>(value - 1)}) : nullptr;
  if (value != 0 && domain == nullptr) ar.fail(fmt::format("{} names a domain that there is not", name));
}

}  // namespace xensim::xen
