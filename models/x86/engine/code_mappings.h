// Where this process holds code that was generated at run time.
#pragma once

#include <cstdint>
#include <vector>

namespace xensim::x86 {

struct CodeMapping {
  uint64_t begin = 0, end = 0;
};

// What is in `after` and in no mapping of `before`, where that is one piece; empty else. (Mappings that come to lie
// side by side are one.)
CodeMapping new_mapping(const std::vector<CodeMapping>& before, const std::vector<CodeMapping>& after);

// The mappings that are nobody's file and may be written to and run, by address. Empty where the system does not tell.
std::vector<CodeMapping> code_mappings();

}  // namespace xensim::x86
