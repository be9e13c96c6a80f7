// CallPrinter: an event sink that prints each hypercall when it ends, as strace shows system calls.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "models/xen/abi/regs.h"
#include "traces/codec.h"
#include "traces/event_sink.h"

namespace xensim::sim {

class CallPrinter final : public traces::EventSink {
 public:
  explicit CallPrinter(std::function<void(const std::string&)> print) : print_(std::move(print)) {}
  void consume(traces::ByteView stream, uint32_t events) override;
  void resume(const traces::CodecState& state) override { decoder_.resume(state); }

 private:
  // A call that has begun and not yet returned.
  struct OpenCall {
    VcpuRef vcpu;
    VirtualNs since{};
    xen::HypercallRegs regs;
    Maddr argument_at{};
    std::vector<std::byte> argument;  // as it was read
    std::vector<std::byte> after;     // as the call left it
  };

  void see(const traces::Event& event);
  static void see_effect(OpenCall& call, const traces::Event& event);

  std::function<void(const std::string&)> print_;
  traces::EventDecoder decoder_;
  std::map<ActorId, OpenCall> open_;
};

}  // namespace xensim::sim
