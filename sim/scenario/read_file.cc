// See read_file.h.
#include "sim/scenario/read_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "models/base/file_error.h"

namespace xensim::sim {

namespace {

constexpr size_t kLargestFile = size_t{1} << 30;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

Result<std::vector<std::byte>> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (!file) return file_error(path, "", errno);
  struct stat status {};
  // A device never ends, or says nothing; a pipe is welcome.
  if (fstat(fileno(file.get()), &status) != 0 || !(S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode)))
    return input_error(fmt::format("{}: is not a file", path));
  std::vector<std::byte> bytes;
  std::vector<std::byte> block(64 * 1024);
  while (const size_t got = std::fread(block.data(), 1, block.size(), file.get())) {
    bytes.insert(bytes.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got));
    if (bytes.size() > kLargestFile) return input_error(fmt::format("{}: larger than 1 GiB", path));
  }
  if (std::ferror(file.get()) != 0) return file_error(path, "cannot be read", errno);
  return bytes;
}

}  // namespace xensim::sim
