// The scenarios of the tree, for tests that run each of them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace xensim::sim {

// In the order of their names.
inline std::vector<std::string> scenario_paths() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(XENSIM_SOURCE_DIR "/scenarios")) {
    if (entry.path().extension() == ".toml") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace xensim::sim
