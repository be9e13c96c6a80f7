// Planted defects, and the scenario that finds each of them.
#pragma once

#include <span>
#include <string_view>

namespace xensim::sim {

struct Mutant {
  std::string_view entry;     // of the corpus of races; "-": of no report, but of the same kind
  std::string_view trait;     // switches it on: flavour xen+TRAIT
  std::string_view scenario;  // below scenarios/, without .toml
};

std::span<const Mutant> all_found_mutants();

}  // namespace xensim::sim
