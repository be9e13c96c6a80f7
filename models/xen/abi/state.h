// What becomes of a hypercall or sub-op under flavour xen: implemented, or refused as Xen itself refuses it
// (states.def).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/xen/abi/table.h"

namespace xensim::xen::abi {

enum class StateKind : uint8_t {
  kImplemented,  // with what Xen does
  kRefused,      // Xen refuses it to every HVM guest
  kPrivileged,   // an ordinary guest is refused; the toolstack's domain is not
};

struct CallState {
  StateKind kind = StateKind::kImplemented;
  int error = 0;         // what an HVM guest gets, as a positive errno; 0: implemented
  std::string_view why;  // empty: implemented
};

// One row of states.def. A name is a sub-op's, or that of a call without sub-ops.
struct StateRow {
  std::string_view name;
  CallState state;
};
std::span<const StateRow> all_states();

CallState state_of(const SubopInfo& subop);
// Of a call as a whole; of one that has sub-ops: implemented.
CallState state_of(const HypercallInfo& call);
// "implemented", "refused, -ENOSYS: why" or "privileged, -EPERM: why".
std::string describe_state(const CallState& state);

}  // namespace xensim::xen::abi
