// EventWriter: the fast end of the recorder. Encodes events straight into a buffer, with the actor and the time of the
// run's context, and hands full buffers to a sink. No allocation after construction, no virtual call an event.
#pragma once

#include <memory>

#include "traces/codec.h"
#include "traces/event_sink.h"

namespace xensim::traces {

// Encoded bytes after which a buffer is handed on; a file's chunk holds one buffer.
inline constexpr size_t kBufferBytes = 256 * 1024;

// Borrows the context and the sink. One thread at a time.
class EventWriter {
 public:
  EventWriter(const RunContext& context, EventSink& sink)
      : context_(context), sink_(sink), buffer_(new std::byte[kBufferBytes + kMaxEvent]), at_(buffer_.get()) {}
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  // Appends an event of the current actor, now. Views in it are read before this returns.
  template <class Body>
  void write(const Body& body) {
    at_ = encode_event(at_, state_, context_.actor, context_.time, body);
    pending_++;
    if (at_ >= buffer_.get() + kBufferBytes) [[unlikely]]
      flush();
  }

  // Hands on what is in the buffer. Needed before the sink's hash or file is looked at.
  void flush();

  // Events so far; also the index that the next one gets.
  uint64_t events() const { return flushed_ + pending_; }

  // What the events so far left behind; and a writer that goes on from there, before its first event.
  const CodecState& state() const { return state_; }
  void resume(const CodecState& state, uint64_t events) {
    state_ = state;
    flushed_ = events;
    sink_.resume(state);
  }

 private:
  const RunContext& context_;
  EventSink& sink_;
  std::unique_ptr<std::byte[]> buffer_;
  std::byte* at_;
  uint32_t pending_ = 0;
  uint64_t flushed_ = 0;
  CodecState state_;
};

}  // namespace xensim::traces
