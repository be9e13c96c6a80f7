// See read_file.h.
#include "sim/scenario/read_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace xensim::sim {

namespace {

constexpr size_t kLargestFile = size_t{1} << 30;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

Result<std::vector<std::byte>> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (!file) return input_error(fmt::format("{}: {}", path, std::strerror(errno)));
  struct stat status {};
  if (fstat(fileno(file.get()), &status) != 0 || S_ISDIR(status.st_mode)) {
    return input_error(fmt::format("{}: is not a file", path));
  }
  std::vector<std::byte> bytes;
  std::vector<std::byte> block(64 * 1024);
  while (const size_t got = std::fread(block.data(), 1, block.size(), file.get())) {
    bytes.insert(bytes.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got));
    if (bytes.size() > kLargestFile) return input_error(fmt::format("{}: larger than 1 GiB", path));
  }
  if (std::ferror(file.get()) != 0)
    return input_error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  return bytes;
}

}  // namespace xensim::sim
