// What a trace says about itself: the header, and the closing words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"
#include "models/xen/api/flavour.h"
#include "traces/actor.h"
#include "traces/event_sink.h"

namespace xensim::traces {

// A file that the run started from: a guest's ELF, a kernel, a disk.
struct ImageInfo {
  std::string path;  // as the scenario names it
  std::string hash;  // XXH3-64 of its bytes, 16 hexadecimal digits
  uint16_t dom = 0;  // whose it is
  friend bool operator==(const ImageInfo&, const ImageInfo&) = default;
};

// Rows of an actor table, at most.
inline constexpr size_t kMaxActors = 4096;

// The header of a trace. Enough to run it again, or to refuse to; none of it is in the trace hash.
struct TraceInfo {
  std::string xensim_version;
  std::string engine_version;  // of the software CPU, or of KVM; empty: no engine (native)
  std::string scenario_name;
  std::string scenario_text;
  uint64_t seed = 0;
  std::string flavour;              // the preset's name
  std::vector<std::string> traits;  // those that are on (flavour.h)
  std::string backend;              // soft, kvm, native, or core for events made without a machine
  std::string schedule_text;        // empty: the run followed its seed
  std::vector<ImageInfo> images;
  std::vector<ActorInfo> actors;
  friend bool operator==(const TraceInfo&, const TraceInfo&) = default;
};

// The end of a whole trace.
struct TraceSummary {
  uint64_t events = 0;
  TraceHash hash;
  std::string result;  // pass, fail ... and why, for a person
};

// JSON texts, as they stand in the file. Parsing names the key that is wrong.
std::string to_json(const TraceInfo& info);
std::string to_json(const TraceSummary& summary);
xensim::Result<TraceInfo> parse_trace_info(std::string_view json);
xensim::Result<TraceSummary> parse_trace_summary(std::string_view json);

// The names of the traits that are on; and the flavour that such a list stands for (kInput: an unknown name).
std::vector<std::string> traits_of(const xen::Flavour& flavour);
xensim::Result<xen::Flavour> flavour_of(const std::vector<std::string>& traits);

// `d1v0`, `d1v0 timer`, `external net`, `machine`: as every report shows an actor.
std::string describe_actor(const ActorInfo& actor);

}  // namespace xensim::traces
