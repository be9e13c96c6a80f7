// Unpacks what Linux kernels are packed with: gzip, xz, zstd and (legacy) lz4. What the format is, its first bytes say.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"

namespace xensim::pc {

// "gzip", "xz", "zstd", "lz4"; empty: none of these.
std::string_view compression_of(std::span<const std::byte> packed);

// The whole content; bytes behind the compressed stream are ignored (a kernel's payload ends with its size). Hostile
// input gives kInput, one line that begins with `name`; so does a content above `limit` bytes.
Result<std::vector<std::byte>> decompress(const std::string& name, std::span<const std::byte> packed, size_t limit);

}  // namespace xensim::pc
