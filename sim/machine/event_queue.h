// EventQueue: what becomes due at a virtual time. Ties go in the order of arming.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "models/xen/api/platform.h"

namespace xensim::sim {

enum class DueKind : uint8_t { kXenTimer, kApicTimer, kExternal, kInput, kDevice };

// What is due: a timer of the core, the timer of a local APIC or a device, the n-th event from outside or input.
struct DueId {
  DueKind kind = DueKind::kXenTimer;
  xen::TimerId timer{};   // kXenTimer; kApicTimer: its vcpu
  uint32_t external = 0;  // kExternal, kInput: index
  friend constexpr auto operator<=>(const DueId&, const DueId&) = default;
};

class EventQueue {
 public:
  // Re-arming replaces.
  void arm(const DueId& id, VirtualNs at);
  void cancel(const DueId& id);
  // The earliest time at which something is due; the largest value where nothing is.
  VirtualNs next() const { return next_; }
  bool empty() const { return by_time_.empty(); }
  // Takes the first that is due at `now`.
  std::optional<DueId> pop_due(VirtualNs now);
  void clear();
  // What is due, in its order; arming it again in that order makes the same queue.
  std::vector<std::pair<DueId, VirtualNs>> all() const;

 private:
  void update_next();
  struct Key {
    uint64_t at;
    uint64_t sequence;
    friend constexpr auto operator<=>(const Key&, const Key&) = default;
  };
  std::map<Key, DueId> by_time_;
  std::map<DueId, Key> by_id_;
  uint64_t sequence_ = 0;
  VirtualNs next_{~uint64_t{0}};
};

}  // namespace xensim::sim
