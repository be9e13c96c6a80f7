// See trace_change.h.
#include "tests/boot/trace_change.h"

#include <doctest/doctest.h>

#include <type_traits>
#include <variant>

#include "tests/cli/program.h"
#include "traces/event_writer.h"
#include "traces/trace_file.h"

namespace xensim {

uint64_t copy_changed(const std::string& from, const std::string& to,
                      const std::function<bool(traces::Event&)>& change) {
  const auto reader = std::move(traces::TraceReader::open(from).value());
  const auto writer = std::move(traces::TraceWriter::create(to, reader->info()).value());
  RunContext context;
  traces::EventWriter events(context, *writer);
  uint64_t changed = ~uint64_t{0};
  while (const traces::Event* event = reader->next()) {
    traces::Event copy = *event;
    if (changed == ~uint64_t{0} && change(copy)) changed = event->index;
    context.actor = copy.actor;
    context.time = copy.time;
    std::visit(
        [&](const auto& body) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(body)>, std::monostate>) events.write(body);
        },
        copy.body);
  }
  CHECK(reader->problem() == "");
  events.flush();
  CHECK(writer->finish(reader->summary().result).has_value());
  CHECK(changed != ~uint64_t{0});
  return changed;
}

uint64_t number_behind(const std::string& said, const std::string& text) {
  const size_t at = said.find(text);
  return at == std::string::npos ? 0 : std::stoull(said.substr(at + text.size()));
}

void check_core_replay(const std::string& trace) {
  const Ran good = run_program({"replay", trace});
  CHECK_MESSAGE(good.status == 0, good.err);
  CHECK(number_behind(good.out, "verified ") > 10000);

  // The hundredth time that a vCPU's one-shot timer is set or stopped, it is stopped instead of set, or set instead of
  // stopped.
  const std::string bad = scratch_folder() + "/call.trace";
  int calls = 0;
  const uint64_t changed = copy_changed(trace, bad, [&](traces::Event& event) {
    auto* call = std::get_if<traces::HypercallBegin>(&event.body);
    constexpr uint64_t kVcpuOp = 24, kSetTimer = 8, kStopTimer = 9;
    if (call == nullptr || call->nr != kVcpuOp || (call->args[0] != kSetTimer && call->args[0] != kStopTimer) ||
        ++calls < 100)
      return false;
    call->args[0] ^= kSetTimer ^ kStopTimer;
    return true;
  });
  const Ran diverged = run_program({"replay", bad});
  CHECK(diverged.status == 1);
  const uint64_t at = number_behind(diverged.out + diverged.err, "diverged at event ");
  CHECK(at > changed);
  CHECK(at <= changed + 3);  // the call's very first effect
}

}  // namespace xensim
