// libFuzzer target: hostile trace files through reader, checker, printer and replay.
//
// Checksums would stop nearly every mutation, so the first byte chooses: a file as it is, or a stream of events that is
// put into a file with right checksums.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include <zstd.h>

#include "sim/replay/core_replay.h"
#include "traces/check.h"
#include "traces/show.h"
#include "traces/testing/small_core.h"

namespace {

using namespace xensim;
using namespace xensim::traces;

std::string chunk(ChunkKind kind, uint64_t sequence, uint32_t events, const std::string& raw) {
  std::string packed(ZSTD_compressBound(raw.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 1));
  const ChunkHeader header{kind,
                           sequence,
                           0,
                           events,
                           static_cast<uint32_t>(raw.size()),
                           static_cast<uint32_t>(packed.size()),
                           XXH64(packed.data(), packed.size(), 0)};
  std::string bytes(kChunkHeaderBytes, '\0');
  pack(header, ChunkHeaderBytes(reinterpret_cast<std::byte*>(bytes.data()), kChunkHeaderBytes));
  return bytes + packed;
}

// How many events the stream begins with.
uint32_t count_events(const std::string& stream) {
  EventDecoder decoder;
  decoder.feed(std::as_bytes(std::span(stream.data(), stream.size())));
  Event event;
  uint32_t events = 0;
  while (!decoder.exhausted() && decoder.next(event)) events++;
  return events;
}

std::string wrap(const std::string& stream) {
  TraceInfo info;
  for (uint32_t i = 0; i < 8; i++) info.actors.push_back({ActorKind::kVcpu, {DomId{1}, VcpuId{i}}, ""});
  const uint32_t events = std::min<uint32_t>(count_events(stream) + 1, static_cast<uint32_t>(stream.size()));
  std::string file = chunk(ChunkKind::kHeader, 0, 0, to_json(info));
  if (!stream.empty()) file += chunk(ChunkKind::kEvents, 1, events, stream);
  return file;
}

std::unique_ptr<TraceReader> open(const std::string& file) {
  auto reader = TraceReader::open(std::make_unique<std::istringstream>(file), "fuzz");
  return reader ? std::move(*reader) : nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kBufferBytes) return 0;
  std::string file(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) != 0) file = wrap(file);
  if (const auto reader = open(file)) {
    check_trace(*reader);
    if (reader->problem().empty() != (reader->end() == TraceEnd::kWhole)) __builtin_trap();
  }
  if (const auto reader = open(file)) {
    std::ostringstream out;
    show_trace(*reader, {}, {}, out);
  }
  if (const auto reader = open(file)) {
    std::ostringstream out;
    ShowFilter filter;
    filter.port = Port{5};
    export_json_lines(*reader, filter, out);
  }
  if (const auto reader = open(file)) {
    const auto outcome = sim::replay_at_core(*reader, make_small_core);
    if (!outcome && outcome.error().message.empty()) __builtin_trap();
  }
  return 0;
}
