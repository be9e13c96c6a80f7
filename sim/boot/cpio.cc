// See cpio.h.
#include "sim/boot/cpio.h"

#include <fmt/format.h>

#include <string>

namespace xensim::sim {

namespace {

constexpr uint32_t kFolder = 0040755, kFile = 0100644, kProgram = 0100755, kLink = 0120777, kDevice = 0020600;

}  // namespace

void CpioWriter::append(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
void CpioWriter::align() { out_.resize((out_.size() + 3) & ~size_t{3}); }

void CpioWriter::entry(std::string_view path, uint32_t mode, std::span<const std::byte> content, Device device) {
  const uint32_t inode = mode == 0 ? 0 : next_inode_++;
  // Magic, inode, mode, uid, gid, links, mtime, size, device major and minor, special major and minor, name size,
  // check.
  const std::string header =
      fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}", inode, mode,
                  0, 0, 1, 0, content.size(), 0, 0, device.major, device.minor, path.size() + 1, 0);
  append(std::as_bytes(std::span(header)));
  append(std::as_bytes(std::span(path)));
  out_.push_back(std::byte{0});
  align();
  append(content);
  align();
}

void CpioWriter::folder(std::string_view path) { entry(path, kFolder, {}); }

void CpioWriter::file(std::string_view path, std::span<const std::byte> content, bool executable) {
  entry(path, executable ? kProgram : kFile, content);
}

void CpioWriter::symlink(std::string_view path, std::string_view target) {
  entry(path, kLink, std::as_bytes(std::span(target)));
}

void CpioWriter::character_device(std::string_view path, uint32_t major, uint32_t minor) {
  entry(path, kDevice, {}, {major, minor});
}

std::vector<std::byte> CpioWriter::finish() {
  entry("TRAILER!!!", 0, {});
  return std::move(out_);
}

}  // namespace xensim::sim
