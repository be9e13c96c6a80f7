#include "models/xen/pirq.h"

namespace xensim::xen {

bool PirqTable::is_free(int64_t pirq) const {
  const Pirq& found = pirqs_[static_cast<size_t>(pirq)];
  return !found.kept && found.gsi == Pirq::kNoGsi;
}

std::optional<uint32_t> PirqTable::gsi_of(int64_t pirq) const {
  if (!exists(pirq) || pirqs_[static_cast<size_t>(pirq)].gsi == Pirq::kNoGsi) return std::nullopt;
  return static_cast<uint32_t>(pirqs_[static_cast<size_t>(pirq)].gsi);
}

std::optional<uint32_t> PirqTable::pirq_of(uint32_t gsi) const {
  for (uint32_t pirq = 0; pirq < count_; ++pirq) {
    if (pirqs_[pirq].gsi == static_cast<int32_t>(gsi)) return pirq;
  }
  return std::nullopt;
}

std::optional<uint32_t> PirqTable::find_free(bool for_gsi) {
  for (uint32_t pirq = kFirstFree; for_gsi && pirq < kGsiEnd; ++pirq) {
    if (is_free(pirq)) return pirq;
  }
  for (uint32_t pirq = count_; pirq > kGsiEnd; --pirq) {
    if (is_free(pirq - 1)) return pirq - 1;
  }
  return std::nullopt;
}

}  // namespace xensim::xen
