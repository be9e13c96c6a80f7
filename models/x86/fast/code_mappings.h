// Where this process holds code that was generated at run time.
#pragma once

#include <cstdint>
#include <vector>

namespace xensim::x86 {

struct CodeMapping {
  uint64_t begin = 0, end = 0;
};

// The mappings that are nobody's file and may be written to and run, by address. Empty where the system does not tell.
std::vector<CodeMapping> code_mappings();

}  // namespace xensim::x86
