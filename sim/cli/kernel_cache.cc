// See kernel_cache.h. The cache holds kernels/NAME/vmlinuz, one folder a kernel, and kernels/busybox.
#include "sim/cli/kernel_cache.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

namespace xensim::sim {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "debian:";

fs::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != 0)
    return fs::path(cache) / "xensim/kernels";
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : "/root") / ".cache/xensim/kernels";
}

Result<std::string> in_cache(const fs::path& path, std::string_view what) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return path.string();
  return environment_error(
      fmt::format("{} is not there ({}): fetch it with tests/boot/fetch-kernels", what, path.string()));
}

}  // namespace

Result<std::string> find_kernel(const std::string& name) {
  if (!name.starts_with(kPrefix)) return name;
  const std::string kernel = name.substr(kPrefix.size());
  if (kernel.empty() || kernel.find('/') != std::string::npos || kernel.starts_with('.')) {
    return input_error(fmt::format("--kernel {}: no such kernel (debian:6.1-cloud, debian:6.12-cloud, ...)", name));
  }
  return in_cache(cache_folder() / kernel / "vmlinuz", "Debian's kernel " + kernel);
}

Result<std::string> find_busybox() { return in_cache(cache_folder() / "busybox", "Debian's static busybox"); }

}  // namespace xensim::sim
