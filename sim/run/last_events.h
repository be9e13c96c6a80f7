// LastEvents: an event sink that keeps the last few events of each actor, in words: the end of a dead guest's report.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

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
  // A block for each actor that did something: `first` (a label, as Failure::where begins, or a guest's name) before
  // all others, then vCPUs, then the machine's own actors, each kind by who acted last. `actors` is the machine's
  // table.
  std::string describe(const std::vector<ActorInfo>& actors, std::string_view first) const;

 private:
  size_t each_;
  traces::EventDecoder decoder_;
  struct Last {
    uint64_t at = 0;  // number of its last event
    std::deque<std::string> lines;
  };
  std::map<ActorId, Last> last_;
  uint64_t events_ = 0;
};

}  // namespace xensim::sim
