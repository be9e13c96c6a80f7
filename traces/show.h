// `trace show`: a trace as a person reads it, calls with their effects below them, or as JSON lines.
#pragma once

#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "traces/image.h"
#include "traces/trace_file.h"

namespace xensim::traces {

// Which events to show; an unset field lets all through.
struct ShowFilter {
  std::optional<VcpuRef> vcpu;        // by actors that are this vCPU, or its timer
  std::vector<std::string> kinds;     // names of events.def, or classes: entry, return, platform, machine
  std::optional<VirtualNs> from, to;  // both included
  std::optional<Port> port;           // calls that touch this event channel
};

// kInput: a kind that there is not, naming those there are.
Status check_filter(const ShowFilter& filter);

// Images by domain: what turns a RIP into a symbol and an instruction.
using Images = std::map<uint16_t, std::unique_ptr<GuestImage>>;

// Loads the images that the header names and whose hash still matches; what cannot be used is said in `notes`.
Images load_images(const TraceInfo& info, std::vector<std::string>& notes);

// Writes all events that pass the filter. Afterwards reader.end() says how the trace ended.
void show_trace(TraceReader& reader, const ShowFilter& filter, const Images& images, std::ostream& out);

// One JSON object a line: index, time_ns, actor, kind, class, text and `fields`.
void export_json_lines(TraceReader& reader, const ShowFilter& filter, std::ostream& out);

// The header in words (`trace info`), as `key: value` lines.
void show_info(const TraceInfo& info, std::ostream& out);

}  // namespace xensim::traces
