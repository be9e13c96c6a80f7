// Little-endian integers at byte addresses of any alignment, as files and guests have them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xensim::traces {

inline void put_le(std::byte* at, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) at[i] = static_cast<std::byte>(value >> (8 * i));
}
inline uint64_t get_le(const std::byte* at, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; i++) value |= static_cast<uint64_t>(at[i]) << (8 * i);
  return value;
}

inline void put_le32(std::byte* at, uint32_t value) { put_le(at, value, 4); }
inline void put_le64(std::byte* at, uint64_t value) { put_le(at, value, 8); }
inline uint32_t get_le32(const std::byte* at) { return static_cast<uint32_t>(get_le(at, 4)); }
inline uint64_t get_le64(const std::byte* at) { return get_le(at, 8); }

}  // namespace xensim::traces
