// The table of fields of an Outcome, to send one from process to process.
#pragma once

#include "models/base/archive.h"
#include "sim/scenario/outcome.h"

namespace xensim::sim {

void outcome_fields(StateArchive& ar, Outcome& outcome);

}  // namespace xensim::sim
