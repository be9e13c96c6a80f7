// Where a trace's canonical byte stream goes: a hash, a file, or both.
#pragma once

#include <xxhash.h>

#include <array>
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

struct CodecState;

// Takes whole events in their canonical encoding, a buffer at a time. How the stream is cut carries no meaning.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // Before the first events: they go on from those that left this state behind (a machine that was restored). For
  // sinks that decode.
  virtual void resume(const CodecState& /*state*/) {}
  virtual void consume(ByteView stream, uint32_t events) = 0;
};

// A hash on its way. Whatever is in it, a sink that goes on from it does no harm; only the hash will be another.
struct HashState {
  std::array<uint64_t, 8> accumulators{};
  std::array<uint8_t, 256> buffer{};
  uint64_t buffered = 0, stripes = 0, bytes = 0, events = 0;
};

// The trace hash alone.
class HashSink : public EventSink {
 public:
  HashSink();
  void consume(ByteView stream, uint32_t events) override;
  uint64_t events() const { return events_; }
  // Of all events so far.
  TraceHash hash() const;
  HashState state() const;
  // Goes on from there. false, and nothing changed: there is no such state.
  bool resume_hash(const HashState& state);

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
  void resume(const CodecState& state) override {
    first_.resume(state);
    second_.resume(state);
  }

 private:
  EventSink& first_;
  EventSink& second_;
};

}  // namespace xensim::traces
