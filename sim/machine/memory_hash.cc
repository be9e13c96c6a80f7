// See memory_hash.h.
#include "sim/machine/memory_hash.h"

#include <xxhash.h>

#include <memory>

#include "models/base/types.h"
#include "sim/machine/held_pages.h"

namespace xensim::sim {

uint64_t memory_hash(std::span<const std::byte> memory) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  each_held_page(memory, [&](uint64_t number, const std::byte* page) {
    XXH3_64bits_update(state.get(), &number, sizeof number);
    XXH3_64bits_update(state.get(), page, kPageSize);
  });
  return XXH3_64bits_digest(state.get());
}

}  // namespace xensim::sim
