// The trace hashes that a scenario expects, [golden]: those of its plain run, as it is written.
#pragma once

#include <optional>
#include <string>

#include "models/base/result.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

struct GoldenRow {
  // The files that the run starts from and what executes them, for other compilers make other guests:
  // "3b722c901b233fdf unicorn 2.1.4"; hashes of several files are joined by '+'; backend native has no engine, and its
  // name stands there.
  std::string key;
  std::optional<std::string> trace_hash;  // nullopt: the scenario has no row of this key
};

// kInput: a file cannot be read.
Result<GoldenRow> golden_row(const Scenario& scenario, BackendKind backend);

}  // namespace xensim::sim
