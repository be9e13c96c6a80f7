#include "sim/explore/mutants.h"

namespace xensim::sim {

namespace {

constexpr Mutant kMutants[] = {
#define XS_FOUND_BY(entry, trait, scenario) {entry, trait, scenario},
#include "sim/explore/mutants.def"
#undef XS_FOUND_BY
};

}  // namespace

std::span<const Mutant> all_found_mutants() { return kMutants; }

}  // namespace xensim::sim
