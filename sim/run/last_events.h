// LastEvents: an event sink that keeps the last few events of each actor, in words: the end of a dead guest's report.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "traces/codec.h"
#include "traces/event_sink.h"
#include "traces/trace_info.h"

namespace xensim::sim {

class LastEvents final : public traces::EventSink {
 public:
  // Keeps `each` events an actor.
  explicit LastEvents(size_t each) : each_(each) {}
  void consume(traces::ByteView stream, uint32_t events) override;
  void resume(const traces::CodecState& state) override { decoder_.resume(state); }
  // A block for each actor that did something, in the order of their numbers; `actors` is the machine's table.
  std::string describe(const std::vector<ActorInfo>& actors) const;

 private:
  size_t each_;
  traces::EventDecoder decoder_;
  std::map<ActorId, std::deque<std::string>> lines_;
};

}  // namespace xensim::sim
