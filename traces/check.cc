#include "traces/check.h"

#include <fmt/format.h>

#include <optional>

#include "traces/describe.h"

namespace xensim::traces {

namespace {

constexpr size_t kMaxProblems = 20;

// The kind that ends an entry: the table has each return right after its entry.
EventKind return_of(EventKind entry) { return static_cast<EventKind>(static_cast<unsigned>(entry) + 1); }

class Nesting {
 public:
  explicit Nesting(const std::vector<ActorInfo>& actors) : actors_(actors), open_(actors.size()) {}

  // What is wrong with this event after those before it; empty: nothing.
  std::string event(const Event& event) {
    std::string wrong = nesting(event);
    if (wrong.empty() && event.time < last_time_) wrong = "time runs backwards";
    last_time_ = event.time;
    if (wrong.empty()) return {};
    return fmt::format("{}: {}", describe_event_line(event, actors_), wrong);
  }

 private:
  std::string nesting(const Event& event) {
    std::optional<EventKind>& open = open_[event.actor];
    switch (kind_info(event.kind).event_class) {
      case EventClass::kEntry:
        if (open) return fmt::format("its actor is still in {}", kind_info(*open).name);
        open = event.kind;
        return {};
      case EventClass::kReturn:
        if (!open || event.kind != return_of(*open)) return "ends a call that has not begun";
        open.reset();
        return {};
      case EventClass::kPlatform: return open ? "" : "its actor is not in the core";
      case EventClass::kMachine: return {};
    }
    return {};
  }

  const std::vector<ActorInfo>& actors_;
  std::vector<std::optional<EventKind>> open_;
  VirtualNs last_time_{};
};

}  // namespace

TraceCheck check_trace(TraceReader& reader) {
  TraceCheck check;
  RunContext context;
  HashSink again;
  EventWriter writer(context, again);
  Nesting nesting(reader.info().actors);
  while (const Event* event = reader.next()) {
    std::string wrong = nesting.event(*event);
    if (!wrong.empty() && check.problems.size() < kMaxProblems) check.problems.push_back(std::move(wrong));
    context = {event->actor, event->time};
    std::visit(
        [&writer](const auto& body) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(body)>, std::monostate>) writer.write(body);
        },
        event->body);
  }
  writer.flush();
  if (!reader.problem().empty()) {
    check.problems.push_back(reader.problem());
  } else if (again.hash() != reader.hash()) {
    check.problems.push_back(
        fmt::format("its events encode to hash {}, not to {}", to_string(again.hash()), to_string(reader.hash())));
  }
  check.events = reader.events();
  check.chunks = reader.chunks();
  check.bytes = reader.offset();
  check.hash = reader.hash();
  check.result = reader.summary().result;
  return check;
}

}  // namespace xensim::traces
