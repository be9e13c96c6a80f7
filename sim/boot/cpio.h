// Writes archives in the "newc" format, which Linux unpacks as its initramfs (Linux, Documentation/driver-api/
// early-userspace/buffer-format.rst). The same calls give the same bytes: no times, owners or inode numbers of a host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace xensim::sim {

class CpioWriter {
 public:
  // Paths have no slash in front; a folder comes before what is in it.
  void folder(std::string_view path);
  void file(std::string_view path, std::span<const std::byte> content, bool executable);
  void symlink(std::string_view path, std::string_view target);
  void character_device(std::string_view path, uint32_t major, uint32_t minor);
  // The archive with its trailer; the writer is spent.
  std::vector<std::byte> finish();

 private:
  struct Device {
    uint32_t major, minor;
  };
  void entry(std::string_view path, uint32_t mode, std::span<const std::byte> content, Device device = {0, 0});
  void append(std::span<const std::byte> bytes);
  void align();

  std::vector<std::byte> out_;
  uint32_t next_inode_ = 1;
};

}  // namespace xensim::sim
