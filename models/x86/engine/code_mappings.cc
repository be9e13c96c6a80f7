#include "models/x86/engine/code_mappings.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

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

CodeMapping new_mapping(const std::vector<CodeMapping>& before, const std::vector<CodeMapping>& after) {
  std::vector<CodeMapping> pieces = after;
  for (const CodeMapping& old : before) {
    std::vector<CodeMapping> rest;
    for (const CodeMapping& piece : pieces) {
      if (piece.begin < std::min(piece.end, old.begin)) rest.push_back({piece.begin, std::min(piece.end, old.begin)});
      if (std::max(piece.begin, old.end) < piece.end) rest.push_back({std::max(piece.begin, old.end), piece.end});
    }
    pieces = std::move(rest);
  }
  return pieces.size() == 1 ? pieces.front() : CodeMapping{};
}

}  // namespace xensim::x86
