// Traces in words: show, filters, diff.
#include "traces/show.h"

#include <doctest/doctest.h>

#include <sstream>

#include "traces/check.h"
#include "traces/describe.h"
#include "traces/diff.h"
#include "traces/testing/sample.h"

namespace xensim::traces {
namespace {

// Records what `write` does; the path of the whole trace.
template <class Write>
std::string record(const TempFolder& folder, const std::string& name, Write write,
                   const TraceInfo& info = sample_info()) {
  auto writer = TraceWriter::create(folder / name, info);
  REQUIRE(writer.has_value());
  RunContext context;
  EventWriter events(context, **writer);
  write(events, context);
  events.flush();
  REQUIRE((*writer)->finish("pass").has_value());
  return folder / name;
}

std::string show(const std::string& path, const ShowFilter& filter = {}) {
  auto reader = TraceReader::open(path);
  REQUIRE(reader.has_value());
  std::ostringstream out;
  show_trace(**reader, filter, {}, out);
  CHECK((*reader)->end() == TraceEnd::kWhole);
  return out.str();
}

TEST_CASE("trace show: a call has its arguments, its result, and its effects below it") {
  TempFolder folder;
  const std::string path = record(folder, "a", [](EventWriter& e, RunContext& c) { write_round(e, c, 0); });
  CHECK(show(path) ==
        "d1v0 1us EVTCHNOP_send {port: 5} = 0\n"
        "    translate d1v0 read gva 0x7ffe0000 = gpa 0x1000\n"
        "    read args @0x101000: 05 00 00 00\n"
        "    lock channel_lock d1 5\n"
        "    rmw evtchn_pending[0] |= 0x20 (was 0)\n"
        "    load evtchn_mask[0] = 0\n"
        "    kick d1v1\n"
        "    unlock channel_lock d1 5\n"
        "machine 1us slice d1v0 1000 instructions, ended by hypercall at 0x100000\n");
}

void write_interleaved(EventWriter& events, RunContext& context) {
  context = {1, VirtualNs{10}};
  events.write(HypercallBegin{vcpu(1, 0), true, 0, true, 29, {1, 0, 0, 0, 0, 0}});
  events.write(Lock{xen::Site::kVcpuLock, DomId{1}, 0});
  context = {2, VirtualNs{20}};
  events.write(HaltBegin{vcpu(1, 1), true});
  events.write(SetRunnable{vcpu(1, 1), false});
  events.write(HaltEnd{});
  context = {1, VirtualNs{30}};
  events.write(Unlock{xen::Site::kVcpuLock, DomId{1}, 0});
  events.write(HypercallEnd{0});
}

TEST_CASE("trace show: calls that run at once are shown in the order of their effects") {
  TempFolder folder;
  const std::string path = record(folder, "a", write_interleaved);
  CHECK(show(path) ==
        "d1v0 10ns SCHEDOP_block <unfinished ...>\n"
        "    lock vcpu_lock d1 0\n"
        "d1v1 20ns halt vcpu: d1v1 interrupts_enabled: true\n"
        "    block d1v1\n"
        "d1v0 30ns <... SCHEDOP_block resumed> = 0\n"
        "    unlock vcpu_lock d1 0\n");
}

TEST_CASE("trace show: filters by vCPU, kind, time and port") {
  TempFolder folder;
  const std::string path = record(folder, "a", [](EventWriter& events, RunContext& context) {
    write_round(events, context, 0);
    write_interleaved(events, context);
  });
  ShowFilter filter;
  filter.vcpu = vcpu(1, 1);
  CHECK(show(path, filter) == "d1v1 20ns halt vcpu: d1v1 interrupts_enabled: true\n    block d1v1\n");
  filter = {};
  filter.kinds = {"kick", "slice"};
  CHECK(show(path, filter) ==
        "d1v0 1us kick d1v1\nmachine 1us slice d1v0 1000 instructions, ended by hypercall at 0x100000\n");
  filter = {};
  filter.port = Port{5};
  CHECK(show(path, filter).starts_with("d1v0 1us EVTCHNOP_send {port: 5} = 0\n"));
  CHECK(show(path, filter).find("block") == std::string::npos);
  filter.port = Port{6};
  CHECK(show(path, filter).empty());
  filter = {};
  filter.from = VirtualNs{11};
  filter.to = VirtualNs{20};
  CHECK(show(path, filter) == "d1v1 20ns halt vcpu: d1v1 interrupts_enabled: true\n    block d1v1\n");
  CHECK(check_filter(filter).has_value());
  filter.kinds = {"sneeze"};
  CHECK(check_filter(filter).error().message.find("'sneeze'; there are create_domain,") != std::string::npos);
}

TEST_CASE("trace show: a hypercall that ends with another call's return is shown without a result") {
  TempFolder folder;
  const std::string path = record(folder, "a", [](EventWriter& events, RunContext& context) {
    context = {1, VirtualNs{10}};
    events.write(HypercallBegin{vcpu(1, 0), true, 0, true, 29, {1, 0, 0, 0, 0, 0}});
    events.write(HaltEnd{});
  });
  CHECK(show(path) == "d1v0 10ns SCHEDOP_block\n");
}

TEST_CASE("trace export: one object a line") {
  TempFolder folder;
  const std::string path = record(folder, "a", [](EventWriter& e, RunContext& c) { write_round(e, c, 0); });
  auto reader = TraceReader::open(path);
  std::ostringstream out;
  ShowFilter filter;
  filter.kinds = {"rmw"};
  export_json_lines(**reader, filter, out);
  CHECK(out.str() ==
        R"x({"index":4,"time_ns":1000,"actor":"d1v0","kind":"rmw","class":"platform",)x"
        R"x("text":"rmw evtchn_pending[0] |= 0x20 (was 0)","fields":{"site":"evtchn_pending","at":"0x200800",)x"
        R"x("bytes":"8","op":"or","operand":"0x20","expected":"0","old":"0"}})x"
        "\n");
}

TEST_CASE("trace describe: times, and back") {
  CHECK(describe_time(VirtualNs{0}) == "0ns");
  CHECK(describe_time(VirtualNs{12345}) == "12.345us");
  CHECK(describe_time(VirtualNs{1000000}) == "1ms");
  CHECK(describe_time(VirtualNs{2000000001}) == "2.000000001s");
  CHECK(parse_time("12.345us") == VirtualNs{12345});
  CHECK(parse_time("500") == VirtualNs{500});
  CHECK(parse_time("1s") == VirtualNs{1000000000});
  for (const char* bad : {"", "us", "-1", "1.s", "1.5x", "99999999999999999999", "1.2.3s"}) {
    CHECK_MESSAGE(!parse_time(bad).has_value(), bad);
  }
}

TEST_CASE("trace diff: the first difference, in words") {
  TempFolder folder;
  const std::string first = record(folder, "a", [](EventWriter& e, RunContext& c) {
    write_round(e, c, 0);
    write_round(e, c, 1);
  });
  TraceInfo other = sample_info();
  other.seed = 7;
  other.scenario_text = "# a sample\nvcpus = 3\n";
  const std::string second = record(
      folder, "b",
      [](EventWriter& e, RunContext& c) {
        write_round(e, c, 0);
        c.time.v = 1001;
        write_round(e, c, 0);
      },
      other);
  const auto same = compare_traces(first, first);
  REQUIRE(same.has_value());
  CHECK_FALSE(same->difference.has_value());
  CHECK(describe_comparison(*same, first, first) == "the same 20 events\n");

  const auto comparison = compare_traces(first, second);
  REQUIRE(comparison.has_value());
  REQUIRE(comparison->difference.has_value());
  CHECK(comparison->common == 10);
  CHECK(comparison->difference->index == 10);
  CHECK(comparison->difference->what ==
        "field 'args': [0x4, 0x7ffe0010, 0x0, 0x0, 0x0, 0x0] and [0x4, 0x7ffe0000, 0x0, 0x0, 0x0, 0x0]");
  CHECK(comparison->difference->before.size() == 8);
  CHECK(comparison->headers == std::vector<std::string>{"scenario's text, line 2: 'vcpus = 2' and 'vcpus = 3'",
                                                        "seed: 18446744073709551615 and 7"});
  const std::string text = describe_comparison(*comparison, "A", "B");
  CHECK(text.find("the same for 10 events; event 10 differs in field 'args'") != std::string::npos);
  CHECK(text.find("    #9 machine 1us slice d1v0 1000 instructions") != std::string::npos);

  const std::string longer = record(folder, "c", [](EventWriter& e, RunContext& c) { write_round(e, c, 0); });
  CHECK(compare_traces(longer, first)->difference->what == "the first trace has no more events");
}

TEST_CASE("trace check: a good trace passes, and wrong nesting is named") {
  TempFolder folder;
  const std::string good = record(folder, "a", write_interleaved);
  auto reader = TraceReader::open(good);
  TraceCheck check = check_trace(**reader);
  CHECK(check.problems.empty());
  CHECK(check.events == 7);
  CHECK(check.result == "pass");

  const std::string bad = record(folder, "b", [](EventWriter& events, RunContext& context) {
    context = {1, VirtualNs{10}};
    events.write(Kick{vcpu(1, 0)});
    events.write(HaltEnd{});
    events.write(HaltBegin{vcpu(1, 0), true});
    context.time.v = 9;
    events.write(WakeBegin{vcpu(1, 0), true});
  });
  reader = TraceReader::open(bad);
  check = check_trace(**reader);
  REQUIRE(check.problems.size() == 3);
  CHECK(check.problems[0] == "#0 d1v0 10ns kick d1v0: its actor is not in the core");
  CHECK(check.problems[1] == "#1 d1v0 10ns halt returns: ends a call that has not begun");
  CHECK(check.problems[2] == "#3 d1v0 9ns wake vcpu: d1v0 bring_up: true: its actor is still in halt");
}

TEST_CASE("trace info: in words") {
  std::ostringstream out;
  show_info(sample_info(), out);
  CHECK(out.str().find("actors: machine d1v0 d1v1 d1v0 timer\n") != std::string::npos);
}

}  // namespace
}  // namespace xensim::traces
