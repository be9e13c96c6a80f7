// See paths.h.
#include "sim/cli/paths.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace xensim::sim {

namespace fs = std::filesystem;

namespace {

InstallPaths find_paths() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  InstallPaths paths{(here / "../share/xensim/scenarios").lexically_normal().string(),
                     (here / "../share/xensim/guests").lexically_normal().string(),
                     (here / "../share/xensim/oracles").lexically_normal().string()};
  std::ifstream file(here / "xensim.paths");
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string folder = (here / line.substr(equals + 1)).lexically_normal().string();
    if (line.substr(0, equals) == "scenarios") paths.scenarios = folder;
    if (line.substr(0, equals) == "guests") paths.guests = folder;
    if (line.substr(0, equals) == "oracles") paths.oracles = folder;
  }
  if (const char* oracles = std::getenv("XENSIM_ORACLES"); oracles != nullptr && *oracles != 0) paths.oracles = oracles;
  return paths;
}

}  // namespace

const InstallPaths& install_paths() {
  static const InstallPaths paths = find_paths();
  return paths;
}

ImagePaths image_paths() { return {install_paths().guests}; }

std::string short_path(const std::string& path) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error || !fs::path(path).is_absolute()) return path;
  const std::string relative = fs::path(path).lexically_relative(here).string();
  return relative.empty() || relative.starts_with("..") ? path : relative;
}

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./=:,+@%").find(c) != std::string_view::npos;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace xensim::sim
