// Trace files: round trips, flips, cuts.
#include "traces/trace_file.h"

#include <doctest/doctest.h>

#include "traces/testing/sample.h"

namespace xensim::traces {
namespace {

// What a reader makes of some bytes.
struct Outcome {
  bool opened = false;
  TraceEnd end = TraceEnd::kCorrupt;
  uint64_t events = 0;
  std::string problem;
};

Outcome read_all(const std::string& bytes) {
  auto reader = TraceReader::open(std::make_unique<std::istringstream>(bytes), "t");
  if (!reader) return {false, TraceEnd::kCorrupt, 0, reader.error().message};
  while ((*reader)->next() != nullptr) {
  }
  return {true, (*reader)->end(), (*reader)->events(), (*reader)->problem()};
}

TEST_CASE("trace file: what was written is read, with header, hash and result") {
  TempFolder folder;
  sample_trace(folder / "a.trace", 20000);
  CHECK_FALSE(std::filesystem::exists(folder / "a.trace.part"));
  auto reader = TraceReader::open(folder / "a.trace");
  REQUIRE(reader.has_value());
  CHECK((*reader)->info() == sample_info());
  uint64_t count = 0;
  while (const Event* event = (*reader)->next()) {
    REQUIRE(event->index == count);
    if (count % 10 == 4) REQUIRE(std::get<Rmw>(event->body).operand == 0x20);
    count++;
  }
  CHECK(count == 200000);
  CHECK((*reader)->end() == TraceEnd::kWhole);
  CHECK((*reader)->problem().empty());
  CHECK((*reader)->summary().events == count);
  CHECK((*reader)->summary().hash == (*reader)->hash());
  CHECK((*reader)->summary().result == "pass");
  CHECK((*reader)->chunks() > 4);
  CHECK((*reader)->offset() == std::filesystem::file_size(folder / "a.trace"));
  CHECK((*reader)->next() == nullptr);
}

TEST_CASE("trace file: the same events give the same bytes") {
  TempFolder folder;
  CHECK(sample_trace(folder / "a", 1000) == sample_trace(folder / "b", 1000));
}

TEST_CASE("trace file: a run that dies leaves what it wrote as NAME.part") {
  TempFolder folder;
  {
    auto writer = TraceWriter::create(folder / "a", sample_info());
    REQUIRE(writer.has_value());
    RunContext context;
    EventWriter events(context, **writer);
    for (uint64_t round = 0; round < 5000; round++) write_round(events, context, round);
  }
  CHECK_FALSE(std::filesystem::exists(folder / "a"));
  const Outcome outcome = read_all(read_file(folder / "a.part"));
  CHECK(outcome.end == TraceEnd::kTruncated);
  CHECK(outcome.events > 1000);
  CHECK(outcome.problem.starts_with("t: truncated at offset "));
}

TEST_CASE("trace file: no flipped byte goes unseen") {
  TempFolder folder;
  const std::string whole = sample_trace(folder / "a", 12000);
  REQUIRE(read_all(whole).end == TraceEnd::kWhole);
  for (size_t at = 0; at < whole.size(); at += at < 200 ? 1 : 64) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      const Outcome outcome = read_all(bad);
      REQUIRE_MESSAGE((!outcome.opened || outcome.end == TraceEnd::kCorrupt), "offset ", at);
      REQUIRE_FALSE(outcome.problem.empty());
    }
  }
}

TEST_CASE("trace file: a cut gives everything up to the last whole chunk") {
  TempFolder folder;
  const std::string whole = sample_trace(folder / "a", 12000);
  uint64_t before = 0;
  for (size_t length = 0; length < whole.size(); length += length < 200 ? 1 : 64) {
    const Outcome outcome = read_all(whole.substr(0, length));
    REQUIRE_MESSAGE((!outcome.opened || outcome.end == TraceEnd::kTruncated), "length ", length);
    REQUIRE(outcome.events >= before);
    REQUIRE(outcome.problem.find(length < 4 ? "not a trace" : "truncated at offset ") != std::string::npos);
    before = outcome.events;
  }
  CHECK(before == 120000);
}

TEST_CASE("trace file: bytes after the end, chunks out of order, and other files are refused") {
  TempFolder folder;
  const std::string whole = sample_trace(folder / "a", 12000);
  CHECK(read_all(whole + "x").problem.find("more bytes follow") != std::string::npos);
  CHECK(read_all(whole + whole).problem.find("more bytes follow") != std::string::npos);
  CHECK(read_all("").problem == "t: damaged at offset 0: not a trace; events up to 0");
  CHECK(read_all(std::string(1000, 'A')).problem == "t: damaged at offset 0: not a trace; events up to 0");
  CHECK_FALSE(TraceReader::open(folder / "none").has_value());
  CHECK(TraceReader::open(folder / "none").error().kind == ErrorKind::kInput);
  CHECK(TraceWriter::create(folder / "no/such/folder", sample_info()).error().kind == ErrorKind::kInput);
}

// A chunk with right checksums and wrong contents: what only malice makes.
std::string with_header(std::string bytes, const ChunkHeader& header) {
  pack(header, ChunkHeaderBytes(reinterpret_cast<std::byte*>(bytes.data()), kChunkHeaderBytes));
  return bytes;
}

TEST_CASE("trace file: sizes are bounded before anything is allocated") {
  const std::string bytes(200, '\0');
  ChunkHeader header{ChunkKind::kHeader, 0, 0, 0, 100, 0xffffffff, 0};
  CHECK(read_all(with_header(bytes, header)).problem.find("the chunk claims") != std::string::npos);
  header.packed_bytes = 100;
  header.raw_bytes = 0xffffffff;
  CHECK(read_all(with_header(bytes, header)).problem.find("the chunk claims") != std::string::npos);
  header = {ChunkKind::kEvents, 0, 0, 101, 100, 100, 0};
  CHECK(read_all(with_header(bytes, header)).problem.find("claims 101 events") != std::string::npos);
  header = {ChunkKind::kHeader, 0, 0, 0, 100, kMaxTextRaw, 0};
  CHECK(read_all(with_header(bytes, header)).problem.find("truncated") != std::string::npos);
}

TEST_CASE("trace file: a full disk is an error of finish") {
  auto writer = TraceWriter::create("/dev/full/x", sample_info());
  CHECK_FALSE(writer.has_value());
}

TEST_CASE("trace info: parsing names the key that is wrong") {
  const std::string good = to_json(sample_info());
  CHECK(parse_trace_info(good).value() == sample_info());
  CHECK(parse_trace_info("{").error().message.starts_with("trace header: "));
  CHECK(parse_trace_info("[]").error().message == "trace header is not a JSON object");
  CHECK(parse_trace_info("{}").error().message == "trace header: key 'xensim_version' is missing");
  std::string bad = good;
  bad.replace(bad.find("\"machine\""), 9, "\"mchaine\"");
  CHECK(parse_trace_info(bad).error().message == "trace header: key 'kind': unknown kind of actor 'mchaine'");
  bad = good;
  bad.replace(bad.find("18446744073709551615"), 20, "-1");
  CHECK(parse_trace_info(bad).error().message.starts_with("trace header: key 'seed' is not a number"));
  CHECK(parse_trace_info(std::string(100000, '[')).has_value() == false);
  CHECK(parse_trace_summary(R"({"events": 1, "trace_hash": "12", "result": ""})").error().message ==
        "trace end: key 'trace_hash' is not 16 hexadecimal digits");
}

TEST_CASE("trace info: a flavour survives as its traits") {
  xen::Flavour flavour;
  flavour.poll_wakes_bound_vcpu_only = true;
  CHECK(traits_of(flavour) == std::vector<std::string>{"poll_wakes_bound_vcpu_only"});
  CHECK(flavour_of(traits_of(flavour)).value().poll_wakes_bound_vcpu_only);
  CHECK(flavour_of({"no_such_trait"}).error().message.find("no_such_trait") != std::string::npos);
}

}  // namespace
}  // namespace xensim::traces
