// Which engine the software CPU runs on.
#pragma once

#include <string>

namespace xensim::x86 {

// The loaded library as traces and reports name it: "unicorn 2.1.4".
std::string engine_version();

}  // namespace xensim::x86
