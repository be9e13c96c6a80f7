// Where a trace's canonical byte stream goes: a hash, a file, or both.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <string>

#include "models/base/types.h"
#include "traces/event.h"

namespace xensim::traces {

// XXH3-64 over the canonical encoding of all events.
struct TraceHash {
  uint64_t v = 0;
  friend constexpr auto operator<=>(TraceHash, TraceHash) = default;
};
// 16 hexadecimal digits.
std::string to_string(TraceHash hash);

// Takes whole events in their canonical encoding, a buffer at a time. How the stream is cut carries no meaning.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void consume(ByteView stream, uint32_t events) = 0;
};

// The trace hash alone.
class HashSink : public EventSink {
 public:
  HashSink();
  void consume(ByteView stream, uint32_t events) override;
  uint64_t events() const { return events_; }
  // Of all events so far.
  TraceHash hash() const;

 private:
  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, FreeState> state_;
  uint64_t events_ = 0;
};

// Hands everything to two sinks, which it borrows.
class TeeSink : public EventSink {
 public:
  TeeSink(EventSink& first, EventSink& second) : first_(first), second_(second) {}
  void consume(ByteView stream, uint32_t events) override {
    first_.consume(stream, events);
    second_.consume(stream, events);
  }

 private:
  EventSink& first_;
  EventSink& second_;
};

}  // namespace xensim::traces
