// Reads of this process's own memory at addresses that are only believed to be good: the kernel does the copy
// (process_vm_readv on oneself), so that a wild pointer is an answer and not a SIGSEGV.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace xensim::x86 {

// Copies `bytes` from `address`; false: not all of them can be read. `to` is then undefined.
bool safe_read(uint64_t address, void* to, size_t bytes);
// A value of that type there.
template <class T>
std::optional<T> safe_load(uint64_t address) {
  T value;
  return safe_read(address, &value, sizeof value) ? std::optional(value) : std::nullopt;
}
// Does the host allow it (seccomp may not)?
bool can_read_safely();

}  // namespace xensim::x86
