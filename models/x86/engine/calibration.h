// Finds where the engine keeps its CPU state inside a uc_context, by writing known values and looking for them, and
// proves the parts that no register API reaches by running a few instructions.
#pragma once

#include "models/x86/engine/engine.h"

namespace xensim::x86 {

// kEnvironment, naming the first thing that did not fit. The engine must be fresh; its registers are left changed.
Result<EnvLayout> calibrate(uc_engine* uc);

}  // namespace xensim::x86
