// Traces of boots with something changed in them, which replay must find.
#pragma once

#include <functional>
#include <string>

#include "traces/event.h"

namespace xensim {

// A copy of the trace; `change` alters one event and then says so. The index of that event.
uint64_t copy_changed(const std::string& from, const std::string& to,
                      const std::function<bool(traces::Event&)>& change);

// The number behind `text` in what was said; 0: there is none.
uint64_t number_behind(const std::string& said, const std::string& text);

// The trace verifies at the core to its end; a call that was changed in a copy of it is reported at its first effect.
void check_core_replay(const std::string& trace);

}  // namespace xensim
