// See write_file.h.
#include "sim/cli/write_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace xensim::sim {

Status write_file(const std::string& path, std::string_view text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.flush();
  if (!file)
    return environment_error(fmt::format("{}: cannot be written: {}", path, std::strerror(errno != 0 ? errno : EIO)));
  return {};
}

}  // namespace xensim::sim
