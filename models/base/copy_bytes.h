// copy_bytes(): memcpy for sizes that are mostly those of a hypercall's argument.
#pragma once

#include <cstddef>
#include <cstring>

namespace xensim {

// Between objects that do not overlap. A call of the C library's memcpy takes longer than such a copy, and stores 24
// bytes as two overlapping 16, which a load of 16 right behind has to wait for.
inline void copy_bytes(std::byte* to, const std::byte* from, size_t bytes) {
  switch (bytes) {
    case 2: std::memcpy(to, from, 2); return;
    case 4: std::memcpy(to, from, 4); return;
    case 8: std::memcpy(to, from, 8); return;
    case 16: std::memcpy(to, from, 16); return;
    case 24: std::memcpy(to, from, 24); return;
    case 32: std::memcpy(to, from, 32); return;
    case 40: std::memcpy(to, from, 40); return;
    default: std::memcpy(to, from, bytes); return;
  }
}

}  // namespace xensim
