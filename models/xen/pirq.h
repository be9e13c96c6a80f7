// A domain's physical interrupts: which emulated GSI each PIRQ stands for (PHYSDEVOP_map_pirq).
//
// Guarded by the domain's lock. Binding a PIRQ to an event channel is evtchn_bind's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/xen/state/fields_of.h"

namespace xensim::xen {

struct Pirq {
  static constexpr int32_t kNoGsi = -1;
  bool known = false;
  bool kept = false;
  int32_t gsi = kNoGsi;
};

class PirqTable {
 public:
  static constexpr uint32_t kMax = 256;
  // PIRQs below this one are never given out; from here to kGsiEnd they are for GSIs, and for the rest from the top
  // downwards.
  static constexpr uint32_t kFirstFree = 16;
  static constexpr uint32_t kGsiEnd = 24;

  // `count`: how many PIRQs the domain has, at most kMax.
  explicit PirqTable(uint32_t count) : count_(count) {}

  bool exists(int64_t pirq) const { return pirq >= 0 && pirq < count_; }
  // Was it mapped or given out? Any number may be asked.
  bool known(int64_t pirq) const { return exists(pirq) && pirqs_[static_cast<size_t>(pirq)].known; }
  bool is_free(int64_t pirq) const;
  std::optional<uint32_t> gsi_of(int64_t pirq) const;
  std::optional<uint32_t> pirq_of(uint32_t gsi) const;

  // The next free one; nullopt: there is none. It stays free until it is mapped or kept.
  std::optional<uint32_t> find_free(bool for_gsi);
  void note(uint32_t pirq) { pirqs_[pirq].known = true; }
  // PHYSDEVOP_get_free_pirq: it is the guest's to use.
  void keep(uint32_t pirq) { pirqs_[pirq] = {true, true, pirqs_[pirq].gsi}; }
  void map(uint32_t pirq, uint32_t gsi) { pirqs_[pirq] = {true, pirqs_[pirq].kept, static_cast<int32_t>(gsi)}; }
  void unmap(uint32_t pirq) { pirqs_[pirq] = {pirqs_[pirq].kept, pirqs_[pirq].kept, Pirq::kNoGsi}; }
  void forget(uint32_t pirq) { pirqs_[pirq] = {}; }

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  uint32_t count_;
  std::array<Pirq, kMax> pirqs_{};
};

}  // namespace xensim::xen
