// The legacy frame of LZ4, which Linux packs kernels in: a magic number, then blocks of up to 8 MiB, each with its
// packed size before it (https://github.com/lz4/lz4, doc/lz4_Frame_format.md, "Legacy frame"). liblz4 unpacks the
// blocks.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "models/base/result.h"

namespace xensim::pc {

// As decompress() has it. The stream ends with the input, or before a size that no block can have.
Result<std::vector<std::byte>> unpack_lz4_legacy(const std::string& name, std::span<const std::byte> packed,
                                                 size_t limit);

}  // namespace xensim::pc
