// The same run that an oracle was asked for, on xensim's own software CPU and core.
#pragma once

#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/oracle/transcript.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

// The transcript's lines. `images` has an ELF's path for each program of the run, in its order. kInput, kEnvironment:
// as of run_scenario.
Result<std::vector<std::string>> run_here(const OracleRun& run, const std::vector<std::string>& images,
                                          const std::string& flavour, EngineKind engine = EngineKind::kFast);

}  // namespace xensim::sim
