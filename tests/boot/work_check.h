// Work under a booted kernel, compared with the same natively.
#pragma once

#include <string>

namespace xensim {

// Boots the kernel with the program of work/: every line that it says natively is among what the guest's console shows,
// in their order, and a shell's pipes, processes and files give what they give anywhere.
void check_work(const std::string& kernel, unsigned vcpus, const std::string& platform);

}  // namespace xensim
