#include "traces/trace_file.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "models/base/file_error.h"
#include "traces/little_endian.h"

namespace xensim::traces {

namespace {

// Level 1 packs a trace to about a tenth at several hundred megabytes a second; higher levels gain little on varints.
constexpr int kCompressionLevel = 1;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ByteView as_bytes(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

std::string_view as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

struct TraceWriter::Impl {
  std::string path;
  std::unique_ptr<std::FILE, CloseFile> file;
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> compressor{ZSTD_createCCtx()};
  std::vector<std::byte> packed;
  int error = 0;  // the first errno
};

xensim::Result<std::unique_ptr<TraceWriter>> TraceWriter::create(const std::string& path, const TraceInfo& info) {
  const std::string part = path + ".part";
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->file.reset(std::fopen(part.c_str(), "wb"));
  if (!impl->file) return file_error(part, "cannot be written", errno);
  XS_CHECK(info.actors.size() <= kMaxActors);
  const std::string header = to_json(info);
  if (header.size() > kMaxTextRaw) return input_error(fmt::format("{}: the scenario is too large for a trace", path));
  std::unique_ptr<TraceWriter> writer(new TraceWriter(std::move(impl)));
  writer->put_chunk(ChunkKind::kHeader, as_bytes(header), 0);
  return writer;
}

TraceWriter::TraceWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TraceWriter::~TraceWriter() = default;

void TraceWriter::put_chunk(ChunkKind kind, ByteView raw, uint32_t events) {
  Impl& impl = *impl_;
  if (impl.error != 0) return;
  impl.packed.resize(kChunkHeaderBytes + ZSTD_compressBound(raw.size()));
  std::byte* payload = impl.packed.data() + kChunkHeaderBytes;
  const size_t size = ZSTD_compressCCtx(impl.compressor.get(), payload, impl.packed.size() - kChunkHeaderBytes,
                                        raw.data(), raw.size(), kCompressionLevel);
  XS_CHECK(!ZSTD_isError(size));
  ChunkHeader header{kind,
                     sequence_++,
                     hash_.events(),
                     events,
                     static_cast<uint32_t>(raw.size()),
                     static_cast<uint32_t>(size),
                     XXH64(payload, size, 0)};
  pack(header, ChunkHeaderBytes(impl.packed.data(), kChunkHeaderBytes));
  const size_t total = kChunkHeaderBytes + size;
  // Flushed a chunk at a time: what a killed run leaves ends with a whole chunk.
  if (std::fwrite(impl.packed.data(), 1, total, impl.file.get()) != total || std::fflush(impl.file.get()) != 0) {
    impl.error = errno != 0 ? errno : EIO;
  }
  written_ += total;
}

void TraceWriter::consume(ByteView stream, uint32_t events) {
  put_chunk(ChunkKind::kEvents, stream, events);
  hash_.consume(stream, events);
}

Status TraceWriter::finish(const std::string& result) {
  Impl& impl = *impl_;
  XS_CHECK(impl.file != nullptr);
  const std::string text = to_json(TraceSummary{hash_.events(), hash_.hash(), result});
  put_chunk(ChunkKind::kEnd, as_bytes(text), 0);
  const std::string part = impl.path + ".part";
  if (std::fclose(impl.file.release()) != 0 && impl.error == 0) impl.error = errno;
  if (impl.error == 0 && std::rename(part.c_str(), impl.path.c_str()) != 0) impl.error = errno;
  if (impl.error != 0) return file_error(part, "cannot be written", impl.error);
  return {};
}

struct TraceReader::Impl {
  std::unique_ptr<std::istream> stream;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> decompressor{ZSTD_createDCtx()};
  std::vector<std::byte> packed;
};

xensim::Result<std::unique_ptr<TraceReader>> TraceReader::open(const std::string& path) {
  auto stream = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*stream) return file_error(path, "", errno);
  return open(std::move(stream), path);
}

xensim::Result<std::unique_ptr<TraceReader>> TraceReader::open(std::unique_ptr<std::istream> stream, std::string name) {
  auto impl = std::make_unique<Impl>();
  impl->stream = std::move(stream);
  std::unique_ptr<TraceReader> reader(new TraceReader(std::move(impl), std::move(name)));
  XS_TRY_STATUS(reader->read_header());
  return reader;
}

TraceReader::TraceReader(std::unique_ptr<Impl> impl, std::string name)
    : impl_(std::move(impl)), name_(std::move(name)) {}
TraceReader::~TraceReader() = default;

bool TraceReader::fail(TraceEnd end, const std::string& what) {
  done_ = true;
  end_ = end;
  left_in_chunk_ = 0;
  problem_ = end == TraceEnd::kTruncated
                 ? fmt::format("{}: truncated at offset {}: events up to {}{}", name_, offset_, next_index_, what)
                 : fmt::format("{}: damaged at offset {}: {}; events up to {}", name_, offset_, what, next_index_);
  return false;
}

bool TraceReader::read_chunk(ChunkHeader& header) {
  std::array<std::byte, kChunkHeaderBytes> bytes{};
  std::istream& stream = *impl_->stream;
  stream.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
  const auto got = static_cast<size_t>(stream.gcount());
  if (sequence_ == 0 && (got < 4 || get_le32(bytes.data()) != kTraceMagic))
    return fail(TraceEnd::kCorrupt, "not a trace");
  if (got < bytes.size()) return fail(TraceEnd::kTruncated, "");
  std::string wrong = unpack(bytes, header);
  if (!wrong.empty()) return fail(TraceEnd::kCorrupt, wrong);
  if (header.sequence != sequence_ || header.first_event != next_index_) {
    return fail(TraceEnd::kCorrupt, fmt::format("chunk {} stands where chunk {} should", header.sequence, sequence_));
  }
  // A length beyond the end of the file must not cost its size in memory: read it in steps.
  std::vector<std::byte>& packed = impl_->packed;
  packed.clear();
  constexpr size_t kStep = 1024 * 1024;
  while (packed.size() < header.packed_bytes) {
    const size_t before = packed.size();
    packed.resize(std::min<size_t>(header.packed_bytes, before + kStep));
    stream.read(reinterpret_cast<char*>(packed.data() + before), static_cast<std::streamsize>(packed.size() - before));
    if (static_cast<size_t>(stream.gcount()) < packed.size() - before) return fail(TraceEnd::kTruncated, "");
  }
  if (XXH64(packed.data(), packed.size(), 0) != header.payload_sum) {
    return fail(TraceEnd::kCorrupt, fmt::format("the checksum of chunk {} does not match", header.sequence));
  }
  if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != header.raw_bytes) {
    return fail(TraceEnd::kCorrupt, fmt::format("chunk {} does not have the size it claims", header.sequence));
  }
  raw_.resize(header.raw_bytes);
  const size_t size =
      ZSTD_decompressDCtx(impl_->decompressor.get(), raw_.data(), raw_.size(), packed.data(), packed.size());
  if (ZSTD_isError(size) || size != header.raw_bytes) {
    return fail(TraceEnd::kCorrupt, fmt::format("chunk {} does not unpack", header.sequence));
  }
  sequence_++;
  return true;
}

Status TraceReader::read_header() {
  ChunkHeader header;
  if (!read_chunk(header)) return input_error(problem_);
  if (header.kind != ChunkKind::kHeader) return input_error(name_ + ": does not begin with a trace's header");
  xensim::Result<TraceInfo> info = parse_trace_info(as_text(raw_));
  if (!info) return input_error(fmt::format("{}: {}", name_, info.error().message));
  info_ = std::move(*info);
  offset_ = kChunkHeaderBytes + header.packed_bytes;
  return {};
}

bool TraceReader::load_chunk() {
  if (done_) return false;
  if (!decoder_.exhausted()) {
    return fail(TraceEnd::kCorrupt, fmt::format("chunk {} holds more than its events", sequence_ - 1));
  }
  ChunkHeader header;
  if (!read_chunk(header)) return false;
  if (header.kind == ChunkKind::kEnd) return read_end();
  if (header.kind != ChunkKind::kEvents) return fail(TraceEnd::kCorrupt, "a second header");
  offset_ += kChunkHeaderBytes + header.packed_bytes;
  hash_.consume(raw_, header.events);
  decoder_.feed(raw_);
  left_in_chunk_ = header.events;
  return true;
}

bool TraceReader::read_end() {
  xensim::Result<TraceSummary> summary = parse_trace_summary(as_text(raw_));
  if (!summary) return fail(TraceEnd::kCorrupt, summary.error().message);
  if (summary->events != next_index_ || summary->hash != hash_.hash()) {
    return fail(TraceEnd::kCorrupt,
                fmt::format("the end says {} events with hash {}, the file has {} with {}", summary->events,
                            to_string(summary->hash), next_index_, to_string(hash_.hash())));
  }
  if (impl_->stream->peek() != std::istream::traits_type::eof()) {
    return fail(TraceEnd::kCorrupt, "more bytes follow the end of the trace");
  }
  offset_ += kChunkHeaderBytes + impl_->packed.size();
  summary_ = std::move(*summary);
  done_ = true;
  return false;
}

const Event* TraceReader::malformed() {
  fail(TraceEnd::kCorrupt, fmt::format("event {} in chunk {}: {}", next_index_, sequence_ - 1, decoder_.error()));
  return nullptr;
}

const Event* TraceReader::unknown_actor() {
  fail(TraceEnd::kCorrupt,
       fmt::format("event {} is of actor {}, and the header names {}", next_index_, event_.actor, info_.actors.size()));
  return nullptr;
}

}  // namespace xensim::traces
