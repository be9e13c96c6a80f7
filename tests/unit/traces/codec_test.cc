// Encoding and decoding: every kind of event, and broken streams.
#include "traces/codec.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "traces/event_sink.h"
#include "traces/event_writer.h"

namespace xensim::traces {
namespace {

constexpr std::array<std::byte, 3> kSomeBytes{std::byte{1}, std::byte{0x80}, std::byte{255}};

// Fills the fields of an event with values that grow out of a counter, extremes among them.
struct Filler {
  uint64_t next = 0;

  template <class Codec, class T>
  void operator()(Codec, const char*, T& value) {
    next = next * 6364136223846793005 + 1442695040888963407;
    const uint64_t bits = (next & 7) == 0 ? std::numeric_limits<uint64_t>::max() : next >> (next & 63);
    if constexpr (std::is_same_v<T, ByteView>) {
      value = ByteView(kSomeBytes.data(), bits % 4);
    } else if constexpr (std::is_same_v<T, HypercallArgs>) {
      value = {bits, ~bits, 0, 1, bits << 1, 7};
    } else if constexpr (std::is_same_v<T, VcpuRef>) {
      value = {DomId{static_cast<uint16_t>(bits)}, VcpuId{static_cast<uint32_t>(bits)}};
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(bits % kEnumLimit<T>);
    } else if constexpr (std::is_class_v<T>) {
      value.v = static_cast<decltype(value.v)>(bits);
    } else if constexpr (std::is_same_v<T, bool>) {
      value = (bits & 1) != 0;
    } else {
      value = static_cast<T>(bits);
    }
  }
};

struct Comparer {
  std::vector<uint64_t> values;
  template <class Codec, class T>
  void operator()(Codec, const char*, const T& value) {
    if constexpr (std::is_same_v<T, ByteView>) {
      values.push_back(value.size());
      for (std::byte byte : value) values.push_back(static_cast<uint64_t>(byte));
    } else if constexpr (std::is_same_v<T, HypercallArgs>) {
      values.insert(values.end(), value.begin(), value.end());
    } else if constexpr (std::is_same_v<T, VcpuRef>) {
      values.push_back(value.dom.v);
      values.push_back(value.vcpu.v);
    } else {
      values.push_back(to_bits(value));
    }
  }
};

template <class Body>
void round_trip_kind(Filler& filler, CodecState& state, EventDecoder& decoder) {
  for (uint64_t round = 0; round < 50; round++) {
    Body body;
    visit_fields(body, filler);
    std::vector<std::byte> buffer(kMaxEvent);
    const auto actor = static_cast<ActorId>(round / 3);
    const VirtualNs time{round * round * 1000};
    const std::byte* end = encode_event(buffer.data(), state, actor, time, body);
    decoder.feed(ByteView(buffer.data(), end));
    Event event;
    REQUIRE_MESSAGE(decoder.next(event), decoder.error());
    CHECK(decoder.exhausted());
    CHECK(event.actor == actor);
    CHECK(event.time == time);
    CHECK(event.kind == Body::kKind);
    Comparer sent;
    Comparer received;
    visit_fields(body, sent);
    visit_fields(std::get<Body>(event.body), received);
    CHECK(sent.values == received.values);
  }
}

TEST_CASE("codec: every kind of event comes back as it was written") {
  Filler filler;
  CodecState state;
  EventDecoder decoder;
#define XS_EVENT(number, Type, name, event_class) round_trip_kind<Type>(filler, state, decoder);
#define XS_FIELD(codec, type, name)
#define XS_EVENT_END(Type)
#include "traces/events.def"
#undef XS_EVENT
#undef XS_EVENT_END
#undef XS_FIELD
}

TEST_CASE("codec: kinds have names and classes") {
  CHECK(kind_info(EventKind::kRmw).name == "rmw");
  CHECK(kind_info(EventKind::kRmw).event_class == EventClass::kPlatform);
  CHECK(kind_info(EventKind::kHypercallBegin).event_class == EventClass::kEntry);
  CHECK(kind_info(static_cast<EventKind>(127)).name.empty());
}

std::string decode_error(const std::vector<uint8_t>& bytes) {
  EventDecoder decoder;
  decoder.feed(std::as_bytes(std::span(bytes)));
  Event event;
  REQUIRE_FALSE(decoder.next(event));
  return decoder.error();
}

TEST_CASE("codec: malformed bytes are named, not believed") {
  CHECK(decode_error({}) == "the stream ends where an event should begin");
  CHECK(decode_error({0}) == "unknown event kind 0");
  CHECK(decode_error({127}) == "unknown event kind 127");
  CHECK(decode_error({46}) == "event kick: malformed field vcpu");                       // cut
  CHECK(decode_error({46, 0xff, 0xff, 0x7f, 0}) == "event kick: malformed field vcpu");  // a domain beyond 16 bits
  CHECK(decode_error({46, 0x80, 0, 0}) == "event kick: malformed field vcpu");           // not the shortest form
  CHECK(decode_error({2, 2}) == "event create_domain: malformed field ok");              // a bool of 2
  CHECK(decode_error({55, 200, 1, 0, 0}) == "event lock: malformed field site");         // no such site
  CHECK(decode_error({86, 5, 'a', 'b'}) == "event point: malformed field name");         // longer than the stream
  CHECK(decode_error({0x80 | 46, 1}) == "malformed actor or time");
  CHECK(decode_error({83, 0, 0, 1, 4, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}) ==
        "event port_io: malformed field value");  // more than 64 bits
}

TEST_CASE("codec: an event that follows its like takes a byte a field") {
  CodecState state;
  std::vector<std::byte> buffer(kMaxEvent);
  const Rmw rmw{xen::Site::kEvtchnPending, Maddr{0x12345678}, 8, xen::Rmw::kOr, 1ull << 60, 0, 1ull << 61};
  encode_event(buffer.data(), state, 1, VirtualNs{5}, rmw);
  CHECK(encode_event(buffer.data(), state, 1, VirtualNs{5}, rmw) - buffer.data() == 8);
}

TEST_CASE("event writer: the hash does not depend on where buffers are cut") {
  RunContext context{1, VirtualNs{10}};
  HashSink once;
  HashSink often;
  EventWriter first(context, once);
  EventWriter second(context, often);
  for (uint32_t i = 0; i < 1000; i++) {
    context.time.v += i;
    first.write(Load{xen::Site::kEvtchnMask, Maddr{i}, 8, i * i});
    second.write(Load{xen::Site::kEvtchnMask, Maddr{i}, 8, i * i});
    if (i % 7 == 0) second.flush();
  }
  first.flush();
  second.flush();
  CHECK(once.hash() == often.hash());
  CHECK(once.events() == 1000);
  CHECK(first.events() == 1000);
  CHECK(to_string(TraceHash{0xab}) == "00000000000000ab");
}

TEST_CASE("event writer: a tee feeds both, and more bulk data than a trace can hold is refused") {
  RunContext context;
  HashSink first;
  HashSink second;
  TeeSink tee(first, second);
  EventWriter events(context, tee);
  const std::vector<std::byte> large(kMaxBulk + 1);
  for (int i = 0; i < 10; i++) events.write(ConsoleWrite{DomId{1}, {}, ByteView(large.data(), kMaxBulk)});
  CHECK_THROWS_AS(events.write(ConsoleWrite{DomId{1}, {}, large}), CheckFailure);
  events.flush();
  CHECK(first.events() == 10);
  CHECK(first.hash() == second.hash());
}

}  // namespace
}  // namespace xensim::traces
