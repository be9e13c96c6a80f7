// The header shows what a hash on its way consists of only so.
#define XXH_STATIC_LINKING_ONLY
#include "traces/event_sink.h"

#include <fmt/format.h>

#include <algorithm>

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

HashState HashSink::state() const {
  HashState state;
  std::copy(std::begin(state_->acc), std::end(state_->acc), state.accumulators.begin());
  std::copy(state_->buffer, state_->buffer + state_->bufferedSize, state.buffer.begin());
  // The digest of a long stream looks back at the buffer's end too.
  if (state_->totalLen > sizeof state_->buffer)
    std::copy(std::begin(state_->buffer), std::end(state_->buffer), state.buffer.begin());
  state.buffered = state_->bufferedSize;
  state.stripes = state_->nbStripesSoFar;
  state.bytes = state_->totalLen;
  state.events = events_;
  return state;
}

bool HashSink::resume_hash(const HashState& state) {
  static_assert(sizeof state.buffer == sizeof state_->buffer && sizeof state.accumulators == sizeof state_->acc);
  if (state.buffered > state.buffer.size() || state.stripes > state_->nbStripesPerBlock) return false;
  if (state.bytes < state.buffered || (state.bytes <= state.buffer.size() && state.bytes != state.buffered))
    return false;
  XXH3_64bits_reset(state_.get());
  std::copy(state.accumulators.begin(), state.accumulators.end(), std::begin(state_->acc));
  std::copy(state.buffer.begin(), state.buffer.end(), std::begin(state_->buffer));
  state_->bufferedSize = static_cast<XXH32_hash_t>(state.buffered);
  state_->nbStripesSoFar = state.stripes;
  state_->totalLen = state.bytes;
  events_ = state.events;
  return true;
}

}  // namespace xensim::traces
