#include "traces/trace_format.h"

#include <fmt/format.h>
#include <xxhash.h>
#include <zstd.h>

#include "traces/little_endian.h"

namespace xensim::traces {

void pack(const ChunkHeader& header, ChunkHeaderBytes to) {
  std::byte* at = to.data();
  put_le32(at, kTraceMagic);
  put_le(at + 4, kTraceVersion, 2);
  put_le(at + 6, static_cast<uint16_t>(header.kind), 2);
  put_le64(at + 8, header.sequence);
  put_le64(at + 16, header.first_event);
  put_le32(at + 24, header.events);
  put_le32(at + 28, header.raw_bytes);
  put_le32(at + 32, header.packed_bytes);
  put_le32(at + 36, 0);
  put_le64(at + 40, header.payload_sum);
  put_le64(at + 48, XXH64(at, 48, 0));
}

std::string unpack(std::span<const std::byte, kChunkHeaderBytes> from, ChunkHeader& header) {
  const std::byte* at = from.data();
  if (get_le32(at) != kTraceMagic) return "no chunk of a trace begins here";
  const uint64_t version = get_le(at + 4, 2);
  if (get_le64(at + 48) != XXH64(at, 48, 0)) return "the chunk header's checksum does not match";
  if (version != kTraceVersion) {
    return fmt::format("the trace has format version {}, this xensim reads version {}", version, kTraceVersion);
  }
  const uint64_t kind = get_le(at + 6, 2);
  if (kind < 1 || kind > 3 || get_le32(at + 36) != 0) return "the chunk header is not one of this format";
  header.kind = static_cast<ChunkKind>(kind);
  header.sequence = get_le64(at + 8);
  header.first_event = get_le64(at + 16);
  header.events = get_le32(at + 24);
  header.raw_bytes = get_le32(at + 28);
  header.packed_bytes = get_le32(at + 32);
  header.payload_sum = get_le64(at + 40);
  const uint32_t max_raw = header.kind == ChunkKind::kEvents ? kMaxEventsRaw : kMaxTextRaw;
  if (header.raw_bytes > max_raw || header.packed_bytes > ZSTD_COMPRESSBOUND(static_cast<size_t>(max_raw))) {
    return fmt::format("the chunk claims {} bytes, {} packed; at most {} are allowed", header.raw_bytes,
                       header.packed_bytes, max_raw);
  }
  // The smallest event is one byte.
  if (header.kind == ChunkKind::kEvents ? header.events == 0 || header.events > header.raw_bytes : header.events != 0) {
    return fmt::format("the chunk claims {} events in {} bytes", header.events, header.raw_bytes);
  }
  return {};
}

}  // namespace xensim::traces
