// Debian's kernels and busybox, as the project's fetch script left them in the user's cache folder.
#pragma once

#include <string>

#include "models/base/result.h"

namespace xensim::sim {

// `debian:6.1-cloud` and the like become the file's path in the cache; any other name is a path and stays as it is.
// kEnvironment, naming the script, where the cache lacks it.
Result<std::string> find_kernel(const std::string& name);
// The static busybox of the bundled initramfs.
Result<std::string> find_busybox();

}  // namespace xensim::sim
