// Which pages of a guest's memory hold something: those that were touched and are not all zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace xensim::sim {

// Calls `visit` with number and content of every page that is not all zero, in order; what was never touched costs
// nothing. `memory` is whole pages, at a page's begin.
void each_held_page(std::span<const std::byte> memory,
                    const std::function<void(uint64_t number, const std::byte* page)>& visit);

}  // namespace xensim::sim
