// ObjectAccess: what a step of an actor touches that another may touch too. Two steps of different actors may be
// swapped without any effect where none of their accesses conflict.
#pragma once

#include <cstdint>

#include "models/base/types.h"

namespace xensim::sim {

// What an object's number begins with.
enum class ObjectSpace : uint8_t {
  kNone,     // no object: the access conflicts with nothing
  kMemory,   // 8 bytes of machine memory: the machine address / 8, whatever domains map it
  kShared,   // a field of the core that is touched without a lock (Shared<T>): site, domain, index
  kLock,     // a lock of the core: site, domain, index
  kVcpu,     // can the vCPU run, as the core has it: the actor's number
  kUpcall,   // is there something for the vCPU to take as an interrupt: the actor's number
  kHandler,  // is the vCPU's interrupt being handled, so that its own lane waits: the actor's number
  kClock,    // virtual time: one object
  kTimer,    // the timers of a vCPU: the actor's number
  kConsole,  // a domain's output: the domain's index
  kOutside,  // what waits for the actor of events from outside: one object
};

enum class AccessKind : uint8_t {
  kRead,
  kWrite,  // a read-modify-write too
  // Of objects of kLock alone. They order as writes do (shared locks as reads, among themselves), but what can be
  // turned round is two lockings, never an unlocking and the locking that it makes possible.
  kLock,
  kUnlock,
  kLockShared,
  kUnlockShared,
};

struct ObjectAccess {
  uint64_t object = 0;  // object_of(); 0: none
  uint64_t mask = 0;    // the bits of the object that matter: an `or` of one bit has that one; all, where nobody knows
  AccessKind kind = AccessKind::kRead;

  friend bool operator==(const ObjectAccess&, const ObjectAccess&) = default;
};

inline constexpr uint64_t kWholeObject = ~uint64_t{0};

// `id` has at most 56 bits.
constexpr uint64_t object_of(ObjectSpace space, uint64_t id) {
  return uint64_t{static_cast<uint8_t>(space)} << 56 | id;
}
constexpr ObjectSpace space_of(const ObjectAccess& access) { return static_cast<ObjectSpace>(access.object >> 56); }

// A naturally aligned word of 1, 2, 4 or 8 bytes, and the bits of it that matter.
constexpr ObjectAccess word_access(Maddr at, unsigned bytes, AccessKind kind, uint64_t bits = kWholeObject) {
  if (bytes < 8) bits &= (uint64_t{1} << (8 * bytes)) - 1;
  return {object_of(ObjectSpace::kMemory, at.v >> 3), bits << (8 * (at.v & 7)), kind};
}

constexpr bool is_read(AccessKind kind) {
  return kind == AccessKind::kRead || kind == AccessKind::kLockShared || kind == AccessKind::kUnlockShared;
}

// Does the order of these two matter, when different actors make them?
constexpr bool conflicts(const ObjectAccess& a, const ObjectAccess& b) {
  return a.object != 0 && a.object == b.object && (a.mask & b.mask) != 0 && !(is_read(a.kind) && is_read(b.kind));
}

}  // namespace xensim::sim
