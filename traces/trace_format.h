// The layout of a trace file that writer and reader share (docs/trace-format.md).
#pragma once

#include <cstdint>
#include <span>

#include "traces/codec.h"
#include "traces/event_writer.h"

namespace xensim::traces {

// "XSTR" in the file. Layout or encoding changed: bump the version.
inline constexpr uint32_t kTraceMagic = 0x52545358;
inline constexpr uint16_t kTraceVersion = 1;

enum class ChunkKind : uint16_t { kHeader = 1, kEvents = 2, kEnd = 3 };

// A chunk begins with 56 bytes, little endian, in this order; then `packed_bytes` of a zstd frame.
struct ChunkHeader {
  ChunkKind kind{};
  uint64_t sequence = 0;     // 0 for the header chunk, then counting
  uint64_t first_event = 0;  // events in all chunks before
  uint32_t events = 0;
  uint32_t raw_bytes = 0;
  uint32_t packed_bytes = 0;
  uint64_t payload_sum = 0;  // XXH64 of the packed payload, seed 0
};
// magic 4, version 2, kind 2, sequence 8, first_event 8, events 4, raw_bytes 4, packed_bytes 4, zero 4, payload_sum 8,
// header_sum 8: XXH64 of the 48 bytes before it, seed 0.
inline constexpr size_t kChunkHeaderBytes = 56;

// Bounds that a reader holds before it allocates.
inline constexpr uint32_t kMaxTextRaw = 64 * 1024 * 1024;                                   // header and end
inline constexpr uint32_t kMaxEventsRaw = static_cast<uint32_t>(kBufferBytes + kMaxEvent);  // a chunk of events

using ChunkHeaderBytes = std::span<std::byte, kChunkHeaderBytes>;
void pack(const ChunkHeader& header, ChunkHeaderBytes to);
// An empty string, or what is wrong with these bytes.
std::string unpack(std::span<const std::byte, kChunkHeaderBytes> from, ChunkHeader& header);

}  // namespace xensim::traces
