// How events become bytes: the canonical encoding, over which the trace hash goes.
//
// An event is a tag byte (its kind; bit 7: actor or time differ from the event before, and follow), then its fields.
// Integers are LEB128 varints; those that tend to repeat or to grow are the zigzag difference from the last one at
// their place. The state runs on from the first event of a trace to the last: chunks cut the byte stream, they do not
// restart it.
#pragma once

#include <cstring>

#include "models/base/check.h"
#include "traces/event.h"

namespace xensim::traces {

inline constexpr size_t kSites = static_cast<size_t>(xen::Site::kCount);
inline constexpr size_t kSlots = 12;
inline constexpr size_t kHypercallNumbers = 64;  // hypercall numbers that have argument predictions of their own
// The longest bulk field, and a bound on a whole event (about 30 varints of at most 10 bytes, and one bulk field).
inline constexpr size_t kMaxBulk = 64 * 1024;
inline constexpr size_t kMaxEvent = kMaxBulk + 512;
inline constexpr uint8_t kContextFollows = 0x80;

// What encoder and decoder both remember of the events so far.
struct CodecState {
  ActorId actor = 0;
  uint64_t time = 0;
  size_t site = 0;  // of the event at hand
  size_t nr = 0;    // hypercall number of the event at hand
  uint64_t result = 0;
  std::array<uint64_t, kSites> address{}, value{}, operand{}, index{};
  std::array<uint64_t, kSlots> slot{};
  std::array<HypercallArgs, kHypercallNumbers> args{};
};

// Codec tags of events.def.
namespace code {
struct Plain {};
struct Site {};
struct Address {};
struct Value {};
struct Operand {};
struct Index {};
struct Nr {};
struct Args {};
struct Result {};
struct Bytes {};
template <size_t N>
struct Slot {
  static_assert(N < kSlots);
};
}  // namespace code

// The place in the state from which a field's difference is taken.
inline uint64_t& last_of(code::Address, CodecState& state) { return state.address[state.site]; }
inline uint64_t& last_of(code::Value, CodecState& state) { return state.value[state.site]; }
inline uint64_t& last_of(code::Operand, CodecState& state) { return state.operand[state.site]; }
inline uint64_t& last_of(code::Index, CodecState& state) { return state.index[state.site]; }
inline uint64_t& last_of(code::Result, CodecState& state) { return state.result; }
template <size_t N>
uint64_t& last_of(code::Slot<N>, CodecState& state) {
  return state.slot[N];
}

inline constexpr uint64_t zigzag(uint64_t difference) { return (difference << 1) ^ (0 - (difference >> 63)); }
inline constexpr uint64_t unzigzag(uint64_t coded) { return (coded >> 1) ^ (0 - (coded & 1)); }

// How many values an enumeration of events has; 0: not bounded here.
template <class T>
inline constexpr uint64_t kEnumLimit = 0;
template <>
inline constexpr uint64_t kEnumLimit<xen::Site> = kSites;
template <>
inline constexpr uint64_t kEnumLimit<xen::Rmw> = 6;
template <>
inline constexpr uint64_t kEnumLimit<xen::SharedOp> = 3;
template <>
inline constexpr uint64_t kEnumLimit<xen::TimerKind> = 5;
template <>
inline constexpr uint64_t kEnumLimit<xen::HostOpKind> = 9;
template <>
inline constexpr uint64_t kEnumLimit<xen::ShutdownReason> = 6;
template <>
inline constexpr uint64_t kEnumLimit<xen::ConsoleChannel> = 4;
template <>
inline constexpr uint64_t kEnumLimit<Access> = 3;
template <>
inline constexpr uint64_t kEnumLimit<SliceEnd> = 9;

// A scalar field as 64 bits: enumerations by number, strong types by their member, signed ones by zigzag.
template <class T>
constexpr uint64_t to_bits(T value) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<uint64_t>(value);
  } else if constexpr (std::is_class_v<T>) {
    return static_cast<uint64_t>(value.v);
  } else if constexpr (std::is_signed_v<T>) {
    return zigzag(static_cast<uint64_t>(static_cast<int64_t>(value)));
  } else {
    return static_cast<uint64_t>(value);
  }
}

// The opposite; false: out of the type's range.
template <class T>
constexpr bool from_bits(uint64_t bits, T& value) {
  if constexpr (std::is_enum_v<T>) {
    static_assert(kEnumLimit<T> != 0);
    if (bits >= kEnumLimit<T>) return false;
    value = static_cast<T>(bits);
  } else if constexpr (std::is_class_v<T>) {
    value.v = static_cast<decltype(value.v)>(bits);
    return value.v == bits;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (bits > 1) return false;
    value = bits != 0;
  } else if constexpr (std::is_signed_v<T>) {
    const auto wide = static_cast<int64_t>(unzigzag(bits));
    value = static_cast<T>(wide);
    return value == wide;
  } else {
    value = static_cast<T>(bits);
    return value == bits;
  }
  return true;
}

inline std::byte* put_varint(std::byte* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<std::byte>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<std::byte>(value);
  return at;
}

// Writes the fields of one event at `at`, which has kMaxEvent bytes of room.
struct FieldEncoder {
  std::byte* at;
  CodecState& state;

  template <class T>
  void operator()(code::Plain, const char* /*name*/, const T& value) {
    if constexpr (std::is_same_v<T, VcpuRef>) {
      at = put_varint(at, value.dom.v);
      at = put_varint(at, value.vcpu.v);
    } else {
      at = put_varint(at, to_bits(value));
    }
  }
  void operator()(code::Site, const char* /*name*/, xen::Site value) {
    state.site = static_cast<size_t>(value);
    XS_CHECK(state.site < kSites);
    at = put_varint(at, state.site);
  }
  void operator()(code::Nr, const char* /*name*/, uint64_t value) {
    state.nr = value % kHypercallNumbers;
    at = put_varint(at, value);
  }
  void operator()(code::Args, const char* /*name*/, const HypercallArgs& value) {
    HypercallArgs& last = state.args[state.nr];
    for (size_t i = 0; i < value.size(); i++) {
      at = put_varint(at, zigzag(value[i] - last[i]));
      last[i] = value[i];
    }
  }
  void operator()(code::Bytes, const char* /*name*/, ByteView value) {
    XS_CHECK_MSG(value.size() <= kMaxBulk, "an event's bulk data is longer than a trace can hold");
    at = put_varint(at, value.size());
    if (!value.empty()) std::memcpy(at, value.data(), value.size());
    at += value.size();
  }
  template <class Codec, class T>
  void operator()(Codec codec, const char* /*name*/, const T& value) {
    const uint64_t bits = to_bits(value);
    uint64_t& last = last_of(codec, state);
    at = put_varint(at, zigzag(bits - last));
    last = bits;
  }
};

// Calls visitor(codec, "field name", field) for each field of an event, in the order of events.def.
#define XS_EVENT(number, Type, name, event_class)          \
  template <class Visitor, class Body>                     \
  requires std::is_same_v<std::remove_const_t<Body>, Type> \
  inline void visit_fields([[maybe_unused]] Body& body, [[maybe_unused]] Visitor& visitor) {
#define XS_FIELD(codec, type, name) visitor(code::codec{}, #name, body.name);
#define XS_EVENT_END(Type) }
#include "traces/events.def"
#undef XS_EVENT
#undef XS_EVENT_END
#undef XS_FIELD

// Appends one event; `at` has kMaxEvent bytes of room. Gives the end.
template <class Body>
std::byte* encode_event(std::byte* at, CodecState& state, ActorId actor, VirtualNs time, const Body& body) {
  constexpr auto kTag = static_cast<uint8_t>(Body::kKind);
  static_assert(kTag != 0 && kTag < kContextFollows);
  if (actor == state.actor && time.v == state.time) [[likely]] {
    *at++ = std::byte{kTag};
  } else {
    *at++ = std::byte{kTag | kContextFollows};
    at = put_varint(at, actor);
    at = put_varint(at, zigzag(time.v - state.time));
    state.actor = actor;
    state.time = time.v;
  }
  FieldEncoder encoder{at, state};
  visit_fields(body, encoder);
  return encoder.at;
}

// Reads events back from a byte stream. Hostile bytes give an error, never a crash.
class EventDecoder {
 public:
  // The next events come from `stream`, which must outlive them; the state goes on from the last stream.
  void feed(ByteView stream) {
    at_ = stream.data();
    end_ = at_ + stream.size();
  }
  // The next stream goes on from this state instead.
  void resume(const CodecState& state) { state_ = state; }
  bool exhausted() const { return at_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  // Fills all of `event` but its index. false: malformed, and error() says how.
  bool next(Event& event);
  const std::string& error() const { return error_; }

 private:
  friend struct FieldDecoder;
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  CodecState state_;
  std::string error_;
};

}  // namespace xensim::traces
