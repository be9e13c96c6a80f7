// See bzimage.h.
#include "models/pc/load/bzimage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "models/pc/load/decompress.h"

namespace xensim::pc {
namespace {

// Offsets in the file of setup-header fields (boot.rst, "Details of header fields").
constexpr size_t kSetupSectors = 0x1f1, kMagic = 0x202, kProtocol = 0x206, kVersion = 0x20e, kInitrdMax = 0x22c,
                 kAlignment = 0x230, kXloadflags = 0x236, kCmdlineSize = 0x238, kPayloadOffset = 0x248,
                 kPayloadLength = 0x24c, kPrefAddress = 0x258, kInitSize = 0x260, kHeaderEnd = 0x268;
constexpr size_t kSector = 512;
constexpr size_t kLargestKernel = size_t{512} << 20;
constexpr uint16_t kHasKernel64 = 1;

template <class T>
T field(std::span<const std::byte> file, size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

std::string version_of(std::span<const std::byte> file) {
  const size_t at = size_t{field<uint16_t>(file, kVersion)} + kSector;
  if (at == kSector || at >= file.size()) return {};
  const auto* text = reinterpret_cast<const char*>(file.data() + at);
  return {text, strnlen(text, std::min<size_t>(file.size() - at, 256))};
}

}  // namespace

bool is_bzimage(std::span<const std::byte> file) {
  return file.size() >= kHeaderEnd && std::memcmp(file.data() + kMagic, "HdrS", 4) == 0;
}

Result<BzImage> read_bzimage(const std::string& name, std::span<const std::byte> file) {
  if (!is_bzimage(file)) return input_error(fmt::format("{}: not a Linux kernel (no boot header)", name));
  BzImage image;
  image.protocol = field<uint16_t>(file, kProtocol);
  if (image.protocol < 0x20a) {
    return input_error(fmt::format("{}: Linux boot protocol {}.{:02}, at least 2.10 is needed (Linux 2.6.31)", name,
                                   image.protocol >> 8, image.protocol & 0xff));
  }
  const auto sectors = field<uint8_t>(file, kSetupSectors);
  image.kernel_offset = (uint64_t{sectors == 0 ? uint8_t{4} : sectors} + 1) * kSector;
  image.payload_offset = image.kernel_offset + field<uint32_t>(file, kPayloadOffset);
  image.payload_bytes = field<uint32_t>(file, kPayloadLength);
  if (image.payload_offset > file.size() || image.payload_bytes > file.size() - image.payload_offset) {
    return input_error(fmt::format("{}: ends before its kernel does ({:#x} bytes at {:#x}, the file has {:#x})", name,
                                   image.payload_bytes, image.payload_offset, file.size()));
  }
  image.preferred_address = field<uint64_t>(file, kPrefAddress);
  image.init_bytes = field<uint32_t>(file, kInitSize);
  image.alignment = field<uint32_t>(file, kAlignment);
  image.most_cmdline_bytes = field<uint32_t>(file, kCmdlineSize);
  image.most_initrd_address = field<uint32_t>(file, kInitrdMax);
  image.entry_64 = image.protocol >= 0x20c && (field<uint16_t>(file, kXloadflags) & kHasKernel64) != 0;
  image.version = version_of(file);
  return image;
}

Result<std::vector<std::byte>> unpack_bzimage(const std::string& name, const BzImage& image,
                                              std::span<const std::byte> file) {
  return decompress(name, file.subspan(image.payload_offset, image.payload_bytes), kLargestKernel);
}

}  // namespace xensim::pc
