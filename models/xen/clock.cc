#include "models/xen/clock.h"

#include <algorithm>
#include <cstring>

#include "models/xen/guest_access.h"
#include "models/xen/shared_layout.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kTimeRefreshNs = 1'000'000'000;
// vcpu.h, XEN_RUNSTATE_UPDATE: bit 63 of state_entry_time, written alone as that word's top byte.
constexpr uint64_t kUpdateFlag = uint64_t{1} << 63;

// pvclock: the version is odd while the rest is being written.
uint32_t version_begin(uint32_t version) { return (version + 1) | 1; }
uint32_t version_end(uint32_t version) { return version + 1; }

vcpu_time_info time_info(const ClockSample& sample) {
  vcpu_time_info info{};
  info.tsc_timestamp = sample.tsc;
  info.system_time = sample.system_time.v;
  info.tsc_to_system_mul = sample.tsc_to_system_mul;
  info.tsc_shift = sample.tsc_shift;
  info.flags = XEN_PVCLOCK_TSC_STABLE_BIT;
  return info;
}

void write_vcpu_info_time(Platform& platform, Maddr at, vcpu_time_info& info) {
  info.version = version_begin(static_cast<uint32_t>(platform.load(Site::kVcpuTime, at, 4)));
  platform.store(Site::kVcpuTime, at, 4, info.version);
  const auto bytes = std::as_bytes(std::span(&info, 1));
  platform.write(Site::kVcpuTime, Maddr{at.v + sizeof(info.version)}, bytes.subspan(sizeof(info.version)));
  platform.store(Site::kVcpuTime, at, 4, version_end(info.version));
}

// The secondary copy; a page that is not there now is passed over, as in Xen.
void write_time_area(Entry& entry, Vcpu& vcpu, Gva area, vcpu_time_info info) {
  const auto version = std::as_bytes(std::span(&info.version, 1));
  if (copy_to_guest(entry, vcpu, area, version, Site::kVcpuTime) != 0) return;
  if (copy_to_guest(entry, vcpu, area, std::as_bytes(std::span(&info, 1)), Site::kVcpuTime) != 0) return;
  info.version = version_end(info.version);
  (void)copy_to_guest(entry, vcpu, area, version, Site::kVcpuTime);
}

void put(std::span<std::byte> to, size_t offset, const void* from, size_t bytes) {
  std::memcpy(to.data() + offset, from, bytes);
}

}  // namespace

void latch_abi(Entry& entry, Domain& domain, bool mode64) {
  // The wall clock lies elsewhere in the other layout; what was latched before stays as it was.
  if (domain.abi32.exchange(!mode64) != !mode64) update_wallclock(entry, domain);
}

void update_wallclock(Entry& entry, Domain& domain) {
  Platform& platform = entry.platform();
  const SharedLayout layout(domain);
  const Maddr at = layout.wallclock();
  const auto [seconds, nanoseconds] = platform.wallclock_base();
  const uint32_t version = version_begin(static_cast<uint32_t>(platform.load(Site::kWallclock, at, 4)));
  platform.store(Site::kWallclock, at, 4, version);
  platform.store(Site::kWallclock, Maddr{at.v + 4}, 4, seconds & 0xffffffff);
  platform.store(Site::kWallclock, Maddr{at.v + 8}, 4, nanoseconds);
  platform.store(Site::kWallclock, layout.wallclock_sec_hi(), 4, seconds >> 32);
  platform.store(Site::kWallclock, at, 4, version_end(version));
}

void update_vcpu_time(Entry& entry, Vcpu& vcpu) {
  const ClockSample sample = entry.platform().clock(vcpu.domain().id());
  Gva area;
  {
    LockGuard guard(entry, vcpu.lock);
    vcpu.time_written_ns = sample.system_time.v;
    area = vcpu.time_area;
  }
  vcpu_time_info info = time_info(sample);
  write_vcpu_info_time(entry.platform(), time_at(vcpu.info_at.load()), info);
  if (area.v != 0) write_time_area(entry, vcpu, area, info);
}

void refresh_vcpu_time(Entry& entry, Vcpu& vcpu) {
  const uint64_t now = entry.platform().now().v;
  {
    LockGuard guard(entry, vcpu.lock);
    if (vcpu.time_written_ns != 0 && now - vcpu.time_written_ns < kTimeRefreshNs) return;
  }
  update_vcpu_time(entry, vcpu);
}

void change_runstate(Entry& entry, Vcpu& vcpu, uint32_t state) {
  Runstate& runstate = vcpu.runstate;
  if (runstate.state == state) return;
  // A hypervisor's clock has run for a while when a guest starts: no vCPU enters a state at 0, which reads as "never".
  const uint64_t now = std::max<uint64_t>(entry.platform().now().v, 1);
  if (now > runstate.entry_time_ns) {
    runstate.time_ns[runstate.state] += now - runstate.entry_time_ns;
    runstate.entry_time_ns = now;
  }
  runstate.state = state;
}

Runstate current_runstate(Entry& entry, Vcpu& vcpu) {
  LockGuard guard(entry, vcpu.lock);
  Runstate runstate = vcpu.runstate;
  const uint64_t now = entry.platform().now().v;
  if (now > runstate.entry_time_ns) runstate.time_ns[runstate.state] += now - runstate.entry_time_ns;
  return runstate;
}

size_t pack_runstate(const Runstate& runstate, bool narrow, std::span<std::byte, 48> to) {
  const int32_t state = static_cast<int32_t>(runstate.state);
  std::memset(to.data(), 0, to.size());
  put(to, 0, &state, sizeof(state));
  if (narrow) {
    put(to, offsetof(abi32::vcpu_runstate_info, state_entry_time), &runstate.entry_time_ns, 8);
    put(to, offsetof(abi32::vcpu_runstate_info, time), runstate.time_ns.data(), 32);
    return sizeof(abi32::vcpu_runstate_info);
  }
  put(to, offsetof(::vcpu_runstate_info, state_entry_time), &runstate.entry_time_ns, 8);
  put(to, offsetof(::vcpu_runstate_info, time), runstate.time_ns.data(), 32);
  return sizeof(::vcpu_runstate_info);
}

void update_runstate_area(Entry& entry, Vcpu& vcpu) {
  Gva area;
  Runstate runstate;
  {
    LockGuard guard(entry, vcpu.lock);
    area = vcpu.runstate_area;
    runstate = vcpu.runstate;
  }
  if (area.v == 0) return;
  Domain& domain = vcpu.domain();
  const bool narrow = domain.abi32.load(std::memory_order_relaxed);
  const bool flagged =
      ((domain.vm_assist.load(std::memory_order_relaxed) >> VMASST_TYPE_runstate_update_flag) & 1) != 0;
  const size_t entry_time =
      narrow ? offsetof(abi32::vcpu_runstate_info, state_entry_time) : offsetof(::vcpu_runstate_info, state_entry_time);
  const Gva top_byte{area.v + entry_time + 7};
  const auto write_top_byte = [&] {
    const std::byte top{static_cast<uint8_t>(runstate.entry_time_ns >> 56)};
    return copy_to_guest(entry, vcpu, top_byte, std::span(&top, 1), Site::kRunstate) == 0;
  };

  if (flagged) {
    runstate.entry_time_ns |= kUpdateFlag;
    if (!write_top_byte()) return;
  }
  std::array<std::byte, 48> bytes;
  const size_t size = pack_runstate(runstate, narrow, bytes);
  const auto packed = std::span<const std::byte>(bytes).first(size);
  if (copy_to_guest(entry, vcpu, area, packed, Site::kRunstate) != 0) return;
  if (flagged) {
    runstate.entry_time_ns &= ~kUpdateFlag;
    (void)write_top_byte();
  }
}

}  // namespace xensim::xen
