// What a boot did: an event sink that counts, for the words at its end.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "traces/codec.h"
#include "traces/event_sink.h"

namespace xensim::sim {

class BootSummary final : public traces::EventSink {
 public:
  void consume(traces::ByteView stream, uint32_t events) override;
  void resume(const traces::CodecState& state) override { decoder_.resume(state); }
  // Lines: hypercalls by name, exits by kind, interrupts, and where `virtual_ns` went.
  std::vector<std::string> lines(uint64_t virtual_ns, uint64_t ns_per_instruction) const;

 private:
  void see(const traces::Event& event);

  traces::EventDecoder decoder_;
  std::map<uint64_t, uint64_t> hypercalls_;    // by number
  std::map<uint32_t, uint64_t> instructions_;  // by vCPU
  std::map<std::string, uint64_t> exits_;      // by kind
  std::optional<uint64_t> memory_hash_;        // a machine that is saved has none: it has not ended
  uint64_t upcalls_ = 0, external_events_ = 0;
};

}  // namespace xensim::sim
