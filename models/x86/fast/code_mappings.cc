#include "models/x86/fast/code_mappings.h"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace xensim::x86 {

std::vector<CodeMapping> code_mappings() {
  std::vector<CodeMapping> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0, end = 0, inode = 0;
    char rights[5] = "";
    if (std::sscanf(line.c_str(), "%llx-%llx %4s %*s %*s %llu", &begin, &end, rights, &inode) != 4) continue;
    if (inode == 0 && std::strcmp(rights, "rwxp") == 0) found.push_back({begin, end});
  }
  return found;
}

}  // namespace xensim::x86
