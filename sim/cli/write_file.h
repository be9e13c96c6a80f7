// Whole text files out, with errors that name them.
#pragma once

#include <string>
#include <string_view>

#include "models/base/result.h"

namespace xensim::sim {

// kEnvironment: cannot be written.
Status write_file(const std::string& path, std::string_view text);

}  // namespace xensim::sim
