// Events: the closed sum of everything that a trace can say. Each kind is a plain struct, generated from events.def.
//
// Bulk data is a view: of the caller's bytes while recording, of the reader's buffer while reading. All kinds are
// trivially copyable and own nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <variant>

#include "models/base/types.h"
#include "models/xen/api/core_api.h"
#include "models/xen/api/platform.h"
#include "traces/actor.h"

namespace xensim::traces {

using ByteView = std::span<const std::byte>;
using HypercallArgs = std::array<uint64_t, 6>;

// Why a vCPU stopped running guest code.
enum class SliceEnd : uint8_t { kBudget, kHalt, kHypercall, kPoint, kStop, kInterrupt, kPause, kShutdown, kError };

enum class EventClass : uint8_t { kEntry, kReturn, kPlatform, kMachine };

enum class EventKind : uint8_t {
#define XS_EVENT(number, Type, name, event_class) k##Type = (number),
#define XS_FIELD(codec, type, name)
#define XS_EVENT_END(Type)
#include "traces/events.def"
#undef XS_EVENT
#undef XS_EVENT_END
#undef XS_FIELD
};

#define XS_EVENT(number, Type, name, event_class)                 \
  struct Type {                                                   \
    static constexpr EventKind kKind = EventKind::k##Type;        \
    static constexpr EventClass kClass = EventClass::event_class; \
    static constexpr std::string_view kName = name;
#define XS_FIELD(codec, type, name) type name{};
#define XS_EVENT_END(Type) \
  }                        \
  ;
#include "traces/events.def"
#undef XS_EVENT
#undef XS_EVENT_END
#undef XS_FIELD

// std::monostate: none yet.
using EventBody = std::variant<std::monostate
#define XS_EVENT(number, Type, name, event_class) , Type
#define XS_FIELD(codec, type, name)
#define XS_EVENT_END(Type)
#include "traces/events.def"
#undef XS_EVENT
#undef XS_EVENT_END
#undef XS_FIELD
                               >;
static_assert(std::is_trivially_copyable_v<EventBody>);

struct Event {
  uint64_t index = 0;  // from 0, over the whole trace
  ActorId actor = 0;
  VirtualNs time{};
  EventKind kind{};
  EventBody body;
};

// The name and class of a kind; an empty name: no such kind.
struct KindInfo {
  std::string_view name;
  EventClass event_class = EventClass::kMachine;
};
const KindInfo& kind_info(EventKind kind);

}  // namespace xensim::traces
