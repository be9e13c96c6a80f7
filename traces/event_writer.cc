#include "traces/event_writer.h"

namespace xensim::traces {

void EventWriter::flush() {
  if (pending_ == 0) return;
  sink_.consume(ByteView(buffer_.get(), static_cast<size_t>(at_ - buffer_.get())), pending_);
  flushed_ += pending_;
  pending_ = 0;
  at_ = buffer_.get();
}

}  // namespace xensim::traces
