// The hash of a guest's whole memory: what two runs that claim to be the same must agree on at their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xensim::sim {

// XXH3, 64 bits, over number and content of every page that is not all zero: which pages the host holds does not
// matter, and what was never touched costs nothing. `memory` is whole pages.
uint64_t memory_hash(std::span<const std::byte> memory);

}  // namespace xensim::sim
