// Linux kernels as distributions ship them: a bzImage (Linux, Documentation/arch/x86/boot.rst). The file is hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/base/result.h"

namespace xensim::pc {

// The parts of the setup header that loaders here use.
struct BzImage {
  uint16_t protocol = 0;        // 2.08 (0x208) and later
  uint64_t kernel_offset = 0;   // of the protected-mode code in the file
  uint64_t payload_offset = 0;  // of the packed ELF in the file
  uint64_t payload_bytes = 0;
  uint64_t preferred_address = 0;  // where the protected-mode code likes to be
  uint32_t init_bytes = 0;         // memory that it needs from there, the unpacked kernel included
  uint32_t alignment = 0;
  uint32_t most_cmdline_bytes = 0;  // without the terminator
  uint32_t most_initrd_address = 0;
  bool entry_64 = false;  // has the 64-bit entry, 0x200 bytes behind the 32-bit one
  std::string version;    // like "6.1.0-42-cloud-amd64 (...) #1 SMP"; empty: not said
};

bool is_bzimage(std::span<const std::byte> file);
// kInput, one line with the file's name: too old, or headers that point outside the file.
Result<BzImage> read_bzimage(const std::string& name, std::span<const std::byte> file);
// The ELF that the payload unpacks to.
Result<std::vector<std::byte>> unpack_bzimage(const std::string& name, const BzImage& image,
                                              std::span<const std::byte> file);

}  // namespace xensim::pc
