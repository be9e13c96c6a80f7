// The timeline of a failing schedule: a column for each actor, a row for each step that matters, the switches marked.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "models/xen/abi/decode.h"
#include "sim/explore/explore.h"
#include "sim/explore/strategies/strategies.h"
#include "sim/run/run.h"
#include "traces/codec.h"
#include "traces/describe.h"

namespace xensim::sim {

namespace {

constexpr size_t kMostRows = 48;
constexpr size_t kColumn = 46;

// Keeps the encoded stream of one short run.
class MemorySink final : public traces::EventSink {
 public:
  void consume(traces::ByteView stream, uint32_t) override {
    bytes_.insert(bytes_.end(), stream.begin(), stream.end());
  }
  void resume(const traces::CodecState& state) override { begin_ = state; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  const traces::CodecState& begin() const { return begin_; }

 private:
  traces::CodecState begin_;
  std::vector<std::byte> bytes_;
};

struct Row {
  ActorId actor = 0;
  VirtualNs time;
  std::string text;
  std::string object;   // what it touches, where others may touch it too; empty: its own affair
  bool always = false;  // shown even where nobody else touches the object
  bool switched = false;
};

// The sites at which the life of an event is decided.
bool matters(xen::Site site) {
  switch (site) {
    case xen::Site::kEvtchnPending:
    case xen::Site::kEvtchnMask:
    case xen::Site::kPendingSel:
    case xen::Site::kUpcallPending:
    case xen::Site::kPollMask:
    case xen::Site::kPollPort:
    case xen::Site::kBlocked:
    case xen::Site::kGrantEntry:
    case xen::Site::kGrantFrame: return true;
    default: return false;
  }
}

// Turns events into rows.
class RowMaker {
 public:
  explicit RowMaker(std::vector<Row>& rows) : rows_(rows) {}

  void add(const traces::Event& event) {
    std::visit([&](const auto& body) { take(event, body); }, event.body);
  }

 private:
  void push(const traces::Event& event, std::string object, bool always) {
    rows_.push_back({event.actor, event.time, traces::describe_event(event), std::move(object), always, false});
  }
  void take(const traces::Event& event, const traces::HypercallBegin& call) {
    xen::HypercallRegs regs;
    regs.mode64 = call.mode64;
    regs.nr = call.nr;
    regs.args = call.args;
    rows_.push_back({event.actor, event.time, xen::abi::hypercall_name(regs), {}, true, false});
    calls_[event.actor] = {regs, rows_.size() - 1, true};
  }
  void take(const traces::Event& event, const traces::Read& read) {
    const auto call = calls_.find(event.actor);
    if (read.site != xen::Site::kHypercallArgs || call == calls_.end() || !call->second.wants_argument) return;
    call->second.wants_argument = false;
    rows_[call->second.row].text = xen::abi::describe_hypercall(call->second.regs, read.data, std::nullopt);
  }
  void take(const traces::Event& event, const traces::HypercallEnd& end) {
    const auto call = calls_.find(event.actor);
    if (call == calls_.end()) return;
    rows_.push_back({event.actor, event.time, "  returns" + xen::abi::describe_result(end.result), {}, false, false});
    calls_.erase(call);
  }
  void take(const traces::Event& event, const traces::Load& body) { memory(event, body.site, body.at); }
  void take(const traces::Event& event, const traces::Store& body) { memory(event, body.site, body.at); }
  void take(const traces::Event& event, const traces::Rmw& body) { memory(event, body.site, body.at); }
  void memory(const traces::Event& event, xen::Site site, Maddr at) {
    if (matters(site)) push(event, fmt::format("{:x}", at.v), false);
  }
  void take(const traces::Event& event, const traces::SharedAccess& body) {
    if (matters(body.site))
      push(event, fmt::format("{} {} {}", traces::site_text(body.site), body.dom.v, body.index), false);
  }
  void take(const traces::Event& event, const traces::Kick&) { push(event, {}, true); }
  void take(const traces::Event& event, const traces::SetRunnable&) { push(event, {}, true); }
  void take(const traces::Event& event, const traces::Interrupt& interrupt) {
    rows_.push_back(
        {event.actor, event.time, fmt::format("takes the upcall (vector {:#x})", interrupt.vector), {}, true, false});
  }
  void take(const traces::Event& event, const traces::HaltBegin&) {
    rows_.push_back({event.actor, event.time, "HLT", {}, true, false});
  }
  void take(const traces::Event& event, const traces::TimerExpiredBegin&) { push(event, {}, true); }
  void take(const traces::Event& event, const traces::ExternalEventBegin&) { push(event, {}, true); }
  void take(const traces::Event& event, const traces::Point& point) {
    rows_.push_back({event.actor,
                     event.time,
                     std::string(reinterpret_cast<const char*>(point.name.data()), point.name.size()),
                     {},
                     true,
                     false});
  }
  void take(const traces::Event& event, const traces::Console& console) {
    std::string text(reinterpret_cast<const char*>(console.text.data()), console.text.size());
    while (!text.empty() && text.back() == '\n') text.pop_back();
    rows_.push_back({event.actor, event.time, "prints: " + text, {}, true, false});
  }
  template <class Other>
  void take(const traces::Event&, const Other&) {}

  struct Call {
    xen::HypercallRegs regs;
    size_t row = 0;
    bool wants_argument = true;
  };
  std::vector<Row>& rows_;
  std::map<ActorId, Call> calls_;
};

// Keeps what at least two actors touch, and what is always shown, from shortly before the first switch on.
void keep_what_matters(std::vector<Row>& rows, VirtualNs from) {
  const auto first = std::find_if(rows.begin(), rows.end(), [from](const Row& row) { return row.time >= from; });
  const auto lead = std::min<std::ptrdiff_t>(first - rows.begin(), 8);
  rows.erase(rows.begin(), first - lead);
  std::map<std::string, std::set<ActorId>> touched;
  for (const Row& row : rows) {
    if (!row.object.empty()) touched[row.object].insert(row.actor);
  }
  std::erase_if(rows, [&](const Row& row) {
    return !row.always && !row.switched && (row.object.empty() || touched[row.object].size() < 2);
  });
}

std::string cell(std::string text) {
  if (text.size() > kColumn - 2) text = text.substr(0, kColumn - 5) + "...";
  return fmt::format("{:<{}}", text, kColumn);
}

std::string draw(const std::vector<Row>& rows, const std::vector<std::string>& labels) {
  std::vector<ActorId> columns;
  for (const Row& row : rows) {
    if (std::find(columns.begin(), columns.end(), row.actor) == columns.end()) columns.push_back(row.actor);
  }
  std::sort(columns.begin(), columns.end());
  std::string text = fmt::format("{:>12}  ", "time");
  for (const ActorId column : columns) text += cell(labels[column]);
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
  const size_t shown = std::min(rows.size(), kMostRows);
  for (size_t i = 0; i < shown; ++i) {
    const Row& row = rows[i];
    const auto column = static_cast<size_t>(std::find(columns.begin(), columns.end(), row.actor) - columns.begin());
    std::string line = fmt::format("{:>12} {}", traces::describe_time(row.time), row.switched ? '>' : ' ');
    line += std::string(column * kColumn, ' ') + cell(row.text);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  if (shown < rows.size()) text += fmt::format("{:>12}  ... and {} more steps\n", "", rows.size() - shown);
  return text;
}

}  // namespace

Result<std::string> draw_timeline(const Scenario& scenario, BackendKind backend, const Schedule& schedule,
                                  const Snapshot* from, Outcome& outcome) {
  XS_TRY(const auto machine, make_machine(scenario, backend, from));
  const std::vector<std::string> labels = machine->labels();
  ReplayStrategy strategy(schedule.decisions, labels);
  MemorySink sink;
  MachineOptions options;
  options.strategy = &strategy;
  options.sink = &sink;
  options.from = from;
  machine->reset(options);
  XS_TRY_STATUS(machine->prepare());
  outcome = machine->run();

  std::vector<Row> rows;
  RowMaker maker(rows);
  traces::EventDecoder decoder;
  decoder.resume(sink.begin());
  decoder.feed(sink.bytes());
  for (traces::Event event; !decoder.exhausted() && decoder.next(event);) maker.add(event);

  std::string words;
  for (const auto& used : strategy.used()) {
    // The switch is shown at the first step of the actor that was switched to.
    const auto to = static_cast<ActorId>(std::find(labels.begin(), labels.end(), used.decision.to) - labels.begin());
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& each) {
      return each.time >= used.time && each.actor == to && !each.switched;
    });
    if (row != rows.end()) row->switched = true;
    words += fmt::format("{:>12} > {} is stopped at \"{}\", {} goes on\n", traces::describe_time(used.time),
                         used.decision.actor, used.decision.point, used.decision.to);
  }
  const VirtualNs since = strategy.used().empty() ? VirtualNs{0} : strategy.used().front().time;
  keep_what_matters(rows, since);
  return words + draw(rows, labels);
}

}  // namespace xensim::sim
