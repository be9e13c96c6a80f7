// TraceWriter and TraceReader: a trace as a file.
//
// States in which a trace is found: NAME.part, being written or left by a run that died: readable up to its last whole
// chunk; NAME, whole: it ends with an end chunk and was renamed when that was on its way to the disk; NAME cut or
// changed later: the reader says where, and gives everything before that chunk.
#pragma once

#include <cstdio>
#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "traces/trace_format.h"
#include "traces/trace_info.h"

namespace xensim::traces {

// Writes NAME.part and renames it to NAME in finish(); one that was not finished leaves NAME.part. Write errors (a full
// disk) stick and come out of finish(); the run goes on.
class TraceWriter : public EventSink {
 public:
  // kEnvironment: the file cannot be made.
  static xensim::Result<std::unique_ptr<TraceWriter>> create(const std::string& path, const TraceInfo& info);
  ~TraceWriter() override;

  void consume(ByteView stream, uint32_t events) override;
  // Writes the end; nothing may follow. EventWriter::flush() comes first. kEnvironment: the file is not whole.
  Status finish(const std::string& result);

  uint64_t events() const { return hash_.events(); }
  TraceHash hash() const { return hash_.hash(); }
  HashSink& hash_sink() { return hash_; }
  uint64_t bytes_written() const { return written_; }

 private:
  struct Impl;
  explicit TraceWriter(std::unique_ptr<Impl> impl);
  void put_chunk(ChunkKind kind, ByteView raw, uint32_t events);

  std::unique_ptr<Impl> impl_;
  HashSink hash_;
  uint64_t sequence_ = 0;
  uint64_t written_ = 0;
};

enum class TraceEnd { kWhole, kTruncated, kCorrupt };

// Reads a trace from its beginning to its end, a chunk in memory at a time. Hostile files give errors.
class TraceReader {
 public:
  // kEnvironment: cannot be opened. kInput: not a trace, or its header is damaged.
  static xensim::Result<std::unique_ptr<TraceReader>> open(const std::string& path);
  // `name` is what messages call it.
  static xensim::Result<std::unique_ptr<TraceReader>> open(std::unique_ptr<std::istream> stream, std::string name);
  ~TraceReader();

  const TraceInfo& info() const { return info_; }

  // The next event; its views are valid until the next call. nullptr: no more, and end() says why.
  const Event* next() {
    if (left_in_chunk_ == 0 && !load_chunk()) return nullptr;
    if (!decoder_.next(event_)) [[unlikely]]
      return malformed();
    if (event_.actor >= info_.actors.size()) [[unlikely]]
      return unknown_actor();
    event_.index = next_index_++;
    left_in_chunk_--;
    return &event_;
  }

  // After next() gave nullptr.
  TraceEnd end() const { return end_; }
  // For a whole trace.
  const TraceSummary& summary() const { return summary_; }
  // For any other: `NAME: truncated at offset N: events up to M`, or what is damaged, in one line.
  const std::string& problem() const { return problem_; }
  // Of the events read so far, in whole chunks.
  TraceHash hash() const { return hash_.hash(); }
  uint64_t events() const { return next_index_; }
  uint64_t chunks() const { return sequence_; }
  // Bytes of the file that were read as whole chunks.
  uint64_t offset() const { return offset_; }

 private:
  struct Impl;
  TraceReader(std::unique_ptr<Impl> impl, std::string name);
  Status read_header();
  // Reads one chunk into raw_. false: at the end, or damaged.
  bool read_chunk(ChunkHeader& header);
  bool load_chunk();
  bool read_end();
  bool fail(TraceEnd end, const std::string& what);
  const Event* malformed();
  const Event* unknown_actor();

  std::unique_ptr<Impl> impl_;
  std::string name_;
  TraceInfo info_;
  TraceSummary summary_;
  TraceEnd end_ = TraceEnd::kWhole;
  bool done_ = false;
  std::string problem_;
  std::vector<std::byte> raw_;
  HashSink hash_;
  EventDecoder decoder_;
  Event event_;
  uint64_t next_index_ = 0;
  uint32_t left_in_chunk_ = 0;
  uint64_t sequence_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace xensim::traces
