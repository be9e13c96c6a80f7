// PointKey: the identity of a scheduling point, the same on every backend: a named access of the guest, or an operation
// of the core at one of its sites.
#pragma once

#include <cstdint>
#include <string>

#include "models/xen/api/platform.h"
#include "sim/machine/access.h"

namespace xensim::sim {

enum class PointOp : uint8_t {
  kGuest,  // `text` names it
  kLoad,
  kStore,
  kRmw,
  kRead,
  kWrite,
  kCopy,
  kLock,
  kUnlock,
  kSharedLoad,
  kSharedStore,
  kSharedRmw,
  kPlatform,   // another call of the core: `text` names it
  kHypercall,  // a hypercall begins: `number`
  kHalt,       // the vCPU halts
  kPause,      // the vCPU spins
  kBlocked,    // the actor cannot go on: it blocked, or waits for a lock
  kDone,       // a timer or an event from outside was dealt with
};

struct PointKey {
  PointOp op = PointOp::kGuest;
  uint8_t number = 0;          // the site, or the hypercall's number
  const char* text = nullptr;  // static, or owned by the guest's image for the length of the run
  // What the operation touches; of a copy of many bytes, the first 8. No object where a backend does not know it.
  ObjectAccess access{};

  // A spin or a yield: another actor has to run for this one to get on.
  bool gives_way() const { return op == PointOp::kPause; }
};

// What a schedule says: "b_l7.c:57 load", "rmw evtchn_pending", "hypercall 29".
std::string point_name(const PointKey& key);

}  // namespace xensim::sim
