// Debian's kernels for the boot tests.
#pragma once

#include <string>

namespace xensim {

// Fetches the kernel (6.1-cloud and so on) and busybox where the cache lacks them. Empty: they are there; else why not.
std::string fetch_kernel(const std::string& name);

// The same in a test, which says that it was skipped, and why, where this is false.
bool have_kernel(const std::string& name);

// The folder that they are in: NAME/vmlinuz, busybox.
std::string kernel_cache();

}  // namespace xensim
