// Small programs from seeds.
#pragma once

#include <cstdint>
#include <string>

#include "tests/unit/sim/explore/search/small_program.h"

namespace xensim::sim::small {

Program generate(uint64_t seed);

// For the report of a program that shows a difference.
std::string describe(const Program& program);

}  // namespace xensim::sim::small
