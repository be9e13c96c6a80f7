#include "traces/diff.h"

#include <fmt/format.h>

#include <algorithm>

#include "traces/codec.h"
#include "traces/describe.h"
#include "traces/trace_file.h"

namespace xensim::traces {

namespace {

constexpr uint64_t kEventsBefore = 8;

// Encodes one trace's events again: from equal states, events are equal where their bytes are.
class Canonical {
 public:
  ByteView encode(const Event& event) {
    const std::byte* end = std::visit(
        [&](const auto& body) -> const std::byte* {
          if constexpr (std::is_same_v<std::decay_t<decltype(body)>, std::monostate>) {
            return buffer_.data();
          } else {
            return encode_event(buffer_.data(), state_, event.actor, event.time, body);
          }
        },
        event.body);
    return ByteView(buffer_.data(), end);
  }

 private:
  CodecState state_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kMaxEvent);
};

std::string actor_text(ActorId actor, const std::vector<ActorInfo>& actors) {
  return actor < actors.size() ? describe_actor(actors[actor]) : fmt::format("actor {}", actor);
}

// `line 3: 'a' and 'b'` where two texts first differ.
std::string text_difference(const std::string& first, const std::string& second) {
  const auto [a, b] = std::mismatch(first.begin(), first.end(), second.begin(), second.end());
  const auto line = [](const std::string& text, std::string::const_iterator at) {
    const size_t offset = static_cast<size_t>(at - text.begin());
    const size_t before = offset == 0 ? std::string::npos : text.rfind('\n', offset - 1);
    const size_t start = before == std::string::npos ? 0 : before + 1;
    return text.substr(start, text.find('\n', offset) - start);
  };
  return fmt::format("line {}: '{}' and '{}'", std::count(first.begin(), a, '\n') + 1, line(first, a), line(second, b));
}

std::vector<std::string> header_differences(const TraceInfo& first, const TraceInfo& second) {
  std::vector<std::string> lines;
  const auto short_text = [&](const char* name, const std::string& a, const std::string& b) {
    if (a != b) lines.push_back(fmt::format("{}: '{}' and '{}'", name, a, b));
  };
  short_text("xensim", first.xensim_version, second.xensim_version);
  short_text("engine", first.engine_version, second.engine_version);
  short_text("scenario", first.scenario_name, second.scenario_name);
  if (first.scenario_text != second.scenario_text) {
    lines.push_back("scenario's text, " + text_difference(first.scenario_text, second.scenario_text));
  }
  if (first.seed != second.seed) lines.push_back(fmt::format("seed: {} and {}", first.seed, second.seed));
  short_text("flavour", first.flavour, second.flavour);
  if (first.traits != second.traits) lines.emplace_back("traits of the flavour");
  short_text("backend", first.backend, second.backend);
  if (first.schedule_text != second.schedule_text) {
    lines.push_back("schedule, " + text_difference(first.schedule_text, second.schedule_text));
  }
  if (first.images != second.images) lines.emplace_back("guest images");
  if (first.actors != second.actors) lines.emplace_back("actors");
  return lines;
}

// Fills `lines` with the events [from, to) of a trace.
xensim::Result<std::vector<std::string>> lines_of(const std::string& path, uint64_t from, uint64_t to) {
  XS_TRY(std::unique_ptr<TraceReader> reader, TraceReader::open(path));
  std::vector<std::string> lines;
  while (const Event* event = reader->next()) {
    if (event->index >= to) break;
    if (event->index >= from) lines.push_back(describe_event_line(*event, reader->info().actors));
  }
  return lines;
}

}  // namespace

std::optional<std::string> event_difference(const Event& first, const Event& second,
                                            const std::vector<ActorInfo>& actors) {
  if (first.actor != second.actor) {
    return fmt::format("the actor: {} and {}", actor_text(first.actor, actors), actor_text(second.actor, actors));
  }
  if (first.kind != second.kind) {
    return fmt::format("the kind of event: {} and {}", kind_info(first.kind).name, kind_info(second.kind).name);
  }
  const std::vector<FieldText> mine = event_fields(first);
  const std::vector<FieldText> theirs = event_fields(second);
  for (size_t i = 0; i < mine.size(); i++) {
    if (mine[i].value != theirs[i].value) {
      return fmt::format("field '{}': {} and {}", mine[i].name, mine[i].value, theirs[i].value);
    }
  }
  Canonical a;
  Canonical b;
  const ByteView left = a.encode(first);
  const ByteView right = b.encode(second);
  if (first.time != second.time) {
    return fmt::format("the time: {} and {}", describe_time(first.time), describe_time(second.time));
  }
  if (std::equal(left.begin(), left.end(), right.begin(), right.end())) return std::nullopt;
  return "the bulk data, after its first 64 bytes";
}

xensim::Result<TraceComparison> compare_traces(const std::string& first, const std::string& second) {
  XS_TRY(std::unique_ptr<TraceReader> a, TraceReader::open(first));
  XS_TRY(std::unique_ptr<TraceReader> b, TraceReader::open(second));
  TraceComparison comparison;
  comparison.headers = header_differences(a->info(), b->info());
  Canonical mine;
  Canonical theirs;
  while (true) {
    const Event* x = a->next();
    const Event* y = b->next();
    if (x == nullptr && y == nullptr) break;
    if (x != nullptr && y != nullptr) {
      const ByteView left = mine.encode(*x);
      const ByteView right = theirs.encode(*y);
      if (std::equal(left.begin(), left.end(), right.begin(), right.end())) {
        comparison.common++;
        continue;
      }
    }
    TraceDifference difference;
    difference.index = comparison.common;
    if (x != nullptr) difference.first = describe_event_line(*x, a->info().actors);
    if (y != nullptr) difference.second = describe_event_line(*y, b->info().actors);
    if (x == nullptr || y == nullptr) {
      difference.what = x == nullptr ? "the first trace has no more events" : "the second trace has no more events";
    } else {
      difference.what = event_difference(*x, *y, a->info().actors).value_or("the encoding");
    }
    comparison.difference = std::move(difference);
    break;
  }
  for (const TraceReader* reader : {a.get(), b.get()}) {
    if (!reader->problem().empty()) comparison.problems.push_back(reader->problem());
  }
  if (comparison.difference) {
    const uint64_t from = comparison.common - std::min(comparison.common, kEventsBefore);
    XS_TRY(comparison.difference->before, lines_of(first, from, comparison.common));
  }
  return comparison;
}

std::string describe_comparison(const TraceComparison& comparison, const std::string& first,
                                const std::string& second) {
  std::string text;
  for (const std::string& line : comparison.headers) text += "headers differ in " + line + "\n";
  for (const std::string& line : comparison.problems) text += line + "\n";
  if (!comparison.difference) {
    return text + fmt::format("the same {} events\n", comparison.common);
  }
  const TraceDifference& difference = *comparison.difference;
  text += fmt::format("the same for {} events; event {} differs in {}\n", comparison.common, difference.index,
                      difference.what);
  if (!difference.before.empty()) text += "last events in common:\n";
  for (const std::string& line : difference.before) text += "    " + line + "\n";
  const auto side = [&text](const std::string& name, const std::string& event) {
    text += fmt::format("in {}:\n  > {}\n", name, event.empty() ? "no more events" : event);
  };
  side(first, difference.first);
  side(second, difference.second);
  return text;
}

}  // namespace xensim::traces
