#include "traces/codec.h"

#include <fmt/format.h>

namespace xensim::traces {

// Reads the fields of one event; after the first failure the others are left as they are.
struct FieldDecoder {
  EventDecoder& from;
  const char* failed = nullptr;  // the first field that is malformed

  bool get_varint(uint64_t& value) {
    if (from.at_ != from.end_ && static_cast<uint8_t>(*from.at_) < 0x80) [[likely]] {
      value = static_cast<uint8_t>(*from.at_++);
      return true;
    }
    value = 0;
    for (unsigned shift = 0; shift < 64 && from.at_ != from.end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*from.at_++);
      if (shift == 63 && byte > 1) return false;  // more than 64 bits
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return byte != 0;  // a last byte of 0 is not the shortest form
    }
    return false;
  }

  template <class T>
  void operator()(code::Plain, const char* name, T& value) {
    uint64_t bits = 0;
    if constexpr (std::is_same_v<T, VcpuRef>) {
      uint64_t vcpu = 0;
      if (!get_varint(bits) || !get_varint(vcpu) || !from_bits(bits, value.dom) || !from_bits(vcpu, value.vcpu))
        fail(name);
    } else {
      if (!get_varint(bits) || !from_bits(bits, value)) fail(name);
    }
  }
  void operator()(code::Site, const char* name, xen::Site& value) {
    uint64_t bits = 0;
    if (!get_varint(bits) || !from_bits(bits, value)) return fail(name);
    from.state_.site = bits;
  }
  void operator()(code::Nr, const char* name, uint64_t& value) {
    if (!get_varint(value)) return fail(name);
    from.state_.nr = value % kHypercallNumbers;
  }
  void operator()(code::Args, const char* name, HypercallArgs& value) {
    HypercallArgs& last = from.state_.args[from.state_.nr];
    for (size_t i = 0; i < value.size(); i++) {
      uint64_t coded = 0;
      if (!get_varint(coded)) return fail(name);
      last[i] += unzigzag(coded);
    }
    value = last;
  }
  void operator()(code::Bytes, const char* name, ByteView& value) {
    uint64_t size = 0;
    if (!get_varint(size) || size > kMaxBulk || size > from.remaining()) return fail(name);
    value = ByteView(from.at_, size);
    from.at_ += size;
  }
  template <class Codec, class T>
  void operator()(Codec codec, const char* name, T& value) {
    uint64_t coded = 0;
    if (!get_varint(coded)) return fail(name);
    uint64_t& last = last_of(codec, from.state_);
    last += unzigzag(coded);
    if (!from_bits(last, value)) fail(name);
  }

  void fail(const char* name) {
    if (failed == nullptr) failed = name;
  }
};

namespace {

constexpr std::array<KindInfo, 128> make_kind_table() {
  std::array<KindInfo, 128> table{};
#define XS_EVENT(number, Type, name, event_class) table[number] = {name, EventClass::event_class};
#define XS_FIELD(codec, type, name)
#define XS_EVENT_END(Type)
#include "traces/events.def"
#undef XS_EVENT
#undef XS_EVENT_END
#undef XS_FIELD
  return table;
}
constexpr std::array<KindInfo, 128> kKinds = make_kind_table();

}  // namespace

const KindInfo& kind_info(EventKind kind) { return kKinds[static_cast<size_t>(kind) & 127]; }

bool EventDecoder::next(Event& event) {
  FieldDecoder decoder{*this};
  if (at_ == end_) {
    error_ = "the stream ends where an event should begin";
    return false;
  }
  const auto tag = static_cast<uint8_t>(*at_++);
  if ((tag & kContextFollows) != 0) {
    uint64_t actor = 0;
    uint64_t time = 0;
    if (!decoder.get_varint(actor) || !from_bits(actor, state_.actor) || !decoder.get_varint(time)) {
      error_ = "malformed actor or time";
      return false;
    }
    state_.time += unzigzag(time);
  }
  event.actor = state_.actor;
  event.time = VirtualNs{state_.time};
  event.kind = static_cast<EventKind>(tag & ~kContextFollows);
  switch (event.kind) {
#define XS_EVENT(number, Type, name, event_class)   \
  case EventKind::k##Type: {                        \
    auto& body = event.body.emplace<struct Type>(); \
    visit_fields(body, decoder);                    \
    break;                                          \
  }
#define XS_FIELD(codec, type, name)
#define XS_EVENT_END(Type)
#include "traces/events.def"
#undef XS_EVENT
#undef XS_EVENT_END
#undef XS_FIELD
    default: error_ = fmt::format("unknown event kind {}", tag & ~kContextFollows); return false;
  }
  if (decoder.failed != nullptr) [[unlikely]] {
    error_ = fmt::format("event {}: malformed field {}", kind_info(event.kind).name, decoder.failed);
    return false;
  }
  return true;
}

}  // namespace xensim::traces
