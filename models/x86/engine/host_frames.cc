#include "models/x86/engine/host_frames.h"

#include <algorithm>

#include "models/base/types.h"
#include "models/x86/engine/physical_memory.h"

namespace xensim::x86 {

uint64_t HostFrames::page_of(const std::byte* at) { return reinterpret_cast<uintptr_t>(at) >> kPageShift; }

void HostFrames::leave(PhysicalMemory& memory) {
  memories_.erase(std::remove(memories_.begin(), memories_.end(), &memory), memories_.end());
}

bool HostFrames::has_code(uint64_t page) const {
  const auto found = code_.find(page >> kPagesShift);
  const uint64_t in = page & ((1u << kPagesShift) - 1);
  return found != code_.end() && (found->second[in / 64] >> in % 64 & 1);
}

void HostFrames::add_code(const std::byte* at) {
  const uint64_t page = page_of(at), in = page & ((1u << kPagesShift) - 1);
  code_[page >> kPagesShift][in / 64] |= uint64_t{1} << in % 64;
}

void HostFrames::changed(const std::byte* at, uint64_t bytes) {
  while (bytes != 0) {
    const uint64_t part = std::min(bytes, kPageSize - reinterpret_cast<uintptr_t>(at) % kPageSize);
    if (has_code(page_of(at))) {
      for (PhysicalMemory* const memory : memories_) memory->host_changed(at, part);
    }
    at += part;
    bytes -= part;
  }
}

void HostFrames::mapping(std::span<const std::byte> host) {
  std::vector<const std::byte*> again;
  for (const PhysicalMemory* const memory : memories_) {
    for (const std::span<const std::byte> mapped : memory->mapped_host()) {
      const std::byte* const begin = std::max(host.data(), mapped.data());
      const std::byte* const end = std::min(host.data() + host.size(), mapped.data() + mapped.size());
      for (const std::byte* page = begin; page < end; page += kPageSize) again.push_back(page);
    }
  }
  for (const std::byte* const page : again) {
    if (!shared_.insert(page_of(page)).second || !has_code(page_of(page))) continue;
    for (PhysicalMemory* const memory : memories_) memory->page_is_shared(page);
  }
}

}  // namespace xensim::x86
