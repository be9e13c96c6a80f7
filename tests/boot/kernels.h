// Debian's kernels for the boot tests.
#pragma once

#include <string>

namespace xensim {

// Fetches the kernel (6.1-cloud and so on) and busybox where the cache lacks them. Empty: they are there; else why not.
std::string fetch_kernel(const std::string& name);

}  // namespace xensim
