// Runs of one machine in copies of this process: each begins where the machine stands now, with its memory shared until
// it is written (copy on write), its engine and its translated code as they are, and nothing that it does is seen here
// or by another.
//
// The caller's thread alone may use this; there must be no other.
#pragma once

#include <functional>

#include "models/base/archive.h"
#include "models/base/result.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

// What a copy of this process does, and how its result comes back: `job` runs in the copy; then `fields` writes the
// result there, and reads it here, into what it refers to. kEnvironment: there is no process to be had. kInput: the
// copy died; says of what.
Status run_in_copy(const std::function<void()>& job, const std::function<void(StateArchive&)>& fields);

// The machine, which is prepared, runs on under `strategy` in a copy; here it stays as it is. `more` are further
// results of the copy, may be empty. A copy that died is a failure of kind check.
Outcome run_in_copy(Machine& machine, Strategy& strategy, const std::function<void(StateArchive&)>& more = {});

}  // namespace xensim::sim
