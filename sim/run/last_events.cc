// See last_events.h.
#include "sim/run/last_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "models/base/check.h"
#include "traces/describe.h"

namespace xensim::sim {

namespace {

constexpr size_t kMostText = 1000;  // bytes of a line: an event may hold a guest's text

}  // namespace

void LastEvents::consume(traces::ByteView stream, uint32_t) {
  decoder_.feed(stream);
  traces::Event event;
  while (!decoder_.exhausted()) {
    XS_CHECK_MSG(decoder_.next(event), decoder_.error());
    Last& last = last_[event.actor];
    last.at = ++events_;
    std::string line = fmt::format("{:>14}  {}", traces::describe_time(event.time), traces::describe_event(event));
    if (line.size() > kMostText) line.resize(kMostText);
    last.lines.push_back(std::move(line));
    if (last.lines.size() > each_) last.lines.pop_front();
  }
}

std::string LastEvents::describe(const std::vector<ActorInfo>& actors, std::string_view first) const {
  std::vector<ActorId> order;
  for (const auto& [actor, last] : last_) order.push_back(actor);
  const auto rank = [&](ActorId actor) {
    if (actor >= actors.size() || actors[actor].kind != ActorKind::kVcpu) return 2;
    const VcpuRef ref = actors[actor].vcpu;
    const std::string label = fmt::format("d{}v{}", ref.dom.v, ref.vcpu.v);
    const bool named = first == label || first.starts_with(label + " ") || first == actors[actor].name;
    return named ? 0 : 1;
  };
  std::sort(order.begin(), order.end(), [&](ActorId a, ActorId b) {
    return std::pair(rank(a), last_.at(b).at) < std::pair(rank(b), last_.at(a).at);
  });
  std::string text;
  for (const ActorId actor : order) {
    text += fmt::format("  last events of {}:\n", actor < actors.size() ? traces::describe_actor(actors[actor]) : "?");
    for (const std::string& line : last_.at(actor).lines) text += "  " + line + "\n";
  }
  return text;
}

}  // namespace xensim::sim
