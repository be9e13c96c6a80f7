// See write_file.h.
#include "sim/cli/write_file.h"

#include <cerrno>
#include <fstream>

#include "models/base/file_error.h"

namespace xensim::sim {

Status write_file(const std::string& path, std::string_view text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.flush();
  if (!file) return file_error(path, "cannot be written", errno);
  return {};
}

}  // namespace xensim::sim
