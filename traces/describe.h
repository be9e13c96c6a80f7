// Events in words: one line each, as `trace show`, `diff` and a dead guest's report print them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "traces/event.h"
#include "traces/trace_info.h"

namespace xensim::traces {

// `rmw evtchn_pending[0] |= 0x20 (was 0)`, `kick d1v1`, `lock channel_lock d1 5`: without actor and time.
std::string describe_event(const Event& event);

// `12.345us`: virtual time with its unit, exact.
std::string describe_time(VirtualNs time);
// `12.345us`, `3ms`, `1s`, `500` (ns): the opposite; nullopt: not a time.
std::optional<VirtualNs> parse_time(std::string_view text);

std::string describe_vcpu(VcpuRef vcpu);

// `#12 d1v0 1.5us rmw ...`: an event on its own, with all that places it.
std::string describe_event_line(const Event& event, const std::vector<ActorInfo>& actors);

// The site's name as in sites.def.
const char* site_text(xen::Site site);

// Its fields as `name: value`, in the order of events.def.
struct FieldText {
  std::string name;
  std::string value;
};
std::vector<FieldText> event_fields(const Event& event);

// Is the event about this event channel, as far as it alone tells: a bit of a pending or mask word, a channel's lock or
// state?
bool concerns_port(const Event& event, Port port);

}  // namespace xensim::traces
