#include "traces/event_sink.h"

#include <fmt/format.h>

#include "models/base/check.h"

namespace xensim::traces {

std::string to_string(TraceHash hash) { return fmt::format("{:016x}", hash.v); }

HashSink::HashSink() : state_(XXH3_createState()) {
  XS_CHECK(state_ != nullptr);
  XXH3_64bits_reset(state_.get());
}

void HashSink::consume(ByteView stream, uint32_t events) {
  XXH3_64bits_update(state_.get(), stream.data(), stream.size());
  events_ += events;
}

TraceHash HashSink::hash() const { return TraceHash{XXH3_64bits_digest(state_.get())}; }

}  // namespace xensim::traces
