// The smallest Linux program that ends the machine with a status: `xensim-exit 3` writes 3 to the test-exit port.
#pragma once

#include <cstddef>
#include <vector>

namespace xensim::sim {

// A static 64-bit ELF.
std::vector<std::byte> make_exit_program();

}  // namespace xensim::sim
