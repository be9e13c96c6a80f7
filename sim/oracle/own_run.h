// The same run that an oracle was asked for, on xensim's own software CPU and core.
#pragma once

#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/oracle/transcript.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

class WallLimit;

// The transcript's lines. `images` has an ELF's path for each program of the run, in its order. Guests that run when
// `wall` is over are "still running"; nullptr: there is no limit. kInput, kEnvironment: as of run_scenario.
Result<std::vector<std::string>> run_here(const OracleRun& run, const std::vector<std::string>& images,
                                          const std::string& flavour, EngineKind engine = EngineKind::kFast,
                                          const WallLimit* wall = nullptr);

}  // namespace xensim::sim
