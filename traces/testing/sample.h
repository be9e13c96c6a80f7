// Events and traces for the tests of traces/.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "traces/event_writer.h"
#include "traces/trace_file.h"

namespace xensim::traces {

// A folder that goes away with its owner.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xensim-traces-XXXXXX").string();
    XS_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline VcpuRef vcpu(uint16_t dom, uint32_t number) { return {DomId{dom}, VcpuId{number}}; }

// A header with a machine, two vCPUs of domain 1 and a timer.
inline TraceInfo sample_info() {
  TraceInfo info;
  info.xensim_version = "0.1.0";
  info.scenario_name = "sample";
  info.scenario_text = "# a sample\nvcpus = 2\n";
  info.seed = 0xffffffffffffffff;
  info.flavour = "xen";
  info.backend = "native";
  info.images.push_back({"guest.elf", "0123456789abcdef", 1});
  info.actors = {{ActorKind::kMachine, {}, ""},
                 {ActorKind::kVcpu, vcpu(1, 0), ""},
                 {ActorKind::kVcpu, vcpu(1, 1), ""},
                 {ActorKind::kTimer, vcpu(1, 0), ""}};
  return info;
}

// One EVTCHNOP_send by vCPU 0 and a slice, `round` times a little different.
inline void write_round(EventWriter& events, RunContext& context, uint64_t round) {
  const std::array<std::byte, 4> port{std::byte{5}, std::byte{0}, std::byte{0}, std::byte{0}};
  context.actor = 1;
  context.time.v += 1000 + round % 7;
  events.write(HypercallBegin{vcpu(1, 0), true, 0, true, 32, {4, 0x7ffe0000 + 16 * (round % 3), 0, 0, 0, 0}});
  events.write(Translate{vcpu(1, 0), Gva{0x7ffe0000}, Access::kRead, true, Gpa{0x1000}});
  events.write(Read{xen::Site::kHypercallArgs, Maddr{0x101000}, port});
  events.write(Lock{xen::Site::kChannelLock, DomId{1}, 5});
  events.write(Rmw{xen::Site::kEvtchnPending, Maddr{0x200800}, 8, xen::Rmw::kOr, 0x20, 0, round & 1});
  events.write(Load{xen::Site::kEvtchnMask, Maddr{0x200a00}, 8, round % 5});
  events.write(Kick{vcpu(1, 1)});
  events.write(Unlock{xen::Site::kChannelLock, DomId{1}, 5});
  events.write(HypercallEnd{0});
  context.actor = 0;
  events.write(Slice{vcpu(1, 0), 1000 + round, SliceEnd::kHypercall, Gva{0x100000}});
}

// A whole trace file of `rounds` rounds; its bytes.
inline std::string sample_trace(const std::string& path, uint64_t rounds) {
  auto writer = TraceWriter::create(path, sample_info());
  XS_CHECK(writer.has_value());
  RunContext context;
  EventWriter events(context, **writer);
  for (uint64_t round = 0; round < rounds; round++) write_round(events, context, round);
  events.flush();
  XS_CHECK((*writer)->finish("pass").has_value());
  return read_file(path);
}

}  // namespace xensim::traces
