// See last_events.h.
#include "sim/run/last_events.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "traces/describe.h"

namespace xensim::sim {

void LastEvents::consume(traces::ByteView stream, uint32_t) {
  decoder_.feed(stream);
  traces::Event event;
  while (!decoder_.exhausted()) {
    XS_CHECK_MSG(decoder_.next(event), decoder_.error());
    auto& lines = lines_[event.actor];
    lines.push_back(fmt::format("{:>14}  {}", traces::describe_time(event.time), traces::describe_event(event)));
    if (lines.size() > each_) lines.pop_front();
  }
}

std::string LastEvents::describe(const std::vector<ActorInfo>& actors) const {
  std::string text;
  for (const auto& [actor, lines] : lines_) {
    text += fmt::format("  last events of {}:\n", actor < actors.size() ? traces::describe_actor(actors[actor]) : "?");
    for (const std::string& line : lines) text += "  " + line + "\n";
  }
  return text;
}

}  // namespace xensim::sim
