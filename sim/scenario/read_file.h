// Whole files as bytes, with errors that name them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "models/base/result.h"

namespace xensim::sim {

// kInput: no such file, not readable, a directory, or over 1 GiB.
Result<std::vector<std::byte>> read_file(const std::string& path);

}  // namespace xensim::sim
