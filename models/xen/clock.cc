#include "models/xen/clock.h"

#include <algorithm>
#include <cstring>
#include <utility>

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

// What is written under the protection of a version or flag goes field by field, each a step of its own: a reader that
// does not look at the version may see any mixture.
struct Field {
  size_t offset;
  size_t bytes;
};
constexpr Field kTimeFields[] = {{offsetof(vcpu_time_info, tsc_timestamp), 8},
                                 {offsetof(vcpu_time_info, system_time), 8},
                                 {offsetof(vcpu_time_info, tsc_to_system_mul), 4},
                                 {offsetof(vcpu_time_info, tsc_shift), 4}};  // with flags and padding

// One more store of a version, which is noted for the invariants.
void put_version(Platform& platform, Site site, Maddr at, uint32_t version, std::atomic<uint32_t>& noted) {
  platform.store(site, at, 4, version);
  noted.store(version, std::memory_order_relaxed);
}

void write_vcpu_info_time(Platform& platform, Vcpu& vcpu, vcpu_time_info& info) {
  const Maddr vcpu_info = vcpu.info_at.load();
  if (vcpu_info.v == 0) return;  // trait vcpu_info_register_lax: it has none, and no page stands for it
  const Maddr at = time_at(vcpu_info);
  info.version = version_begin(static_cast<uint32_t>(platform.load(Site::kVcpuTime, at, 4)));
  put_version(platform, Site::kVcpuTime, at, info.version, vcpu.time_version);
  const auto bytes = std::as_bytes(std::span(&info, 1));
  for (const Field& field : kTimeFields) {
    platform.write(Site::kVcpuTime, Maddr{at.v + field.offset}, bytes.subspan(field.offset, field.bytes));
  }
  put_version(platform, Site::kVcpuTime, at, version_end(info.version), vcpu.time_version);
}

// Where a guest wants a copy: at an address that is looked up each time, or (trait physical_areas) in a page held
// since.
struct Area {
  Gva address;
  Maddr place;

  explicit operator bool() const { return address.v != 0 || place.v != 0; }
};

// Writes `bytes` that lie `offset` from the area's beginning. false: a page is not there now. Those before it were
// written.
bool write_area(Entry& entry, Vcpu& vcpu, Area area, size_t offset, std::span<const std::byte> bytes, Site site) {
  if (area.place.v != 0) {
    entry.platform().write(site, Maddr{area.place.v + offset}, bytes);
    return true;
  }
  const uint64_t at = area.address.v + offset;
  if (!entry.flavour().areas_by_physical_address) return copy_to_guest(entry, vcpu, Gva{at}, bytes, site) == 0;
  return copy_to_physical(entry, vcpu.domain(), Gpa{at}, bytes, site) == 0;
}

// The secondary copy; a page that is not there now is passed over, as in Xen.
void write_time_area(Entry& entry, Vcpu& vcpu, Area area, vcpu_time_info info) {
  const auto version = std::as_bytes(std::span(&info.version, 1));
  const auto bytes = std::as_bytes(std::span(&info, 1));
  if (!write_area(entry, vcpu, area, 0, version, Site::kVcpuTime)) return;
  for (const Field& field : kTimeFields) {
    const auto value = bytes.subspan(field.offset, field.bytes);
    if (!write_area(entry, vcpu, area, field.offset, value, Site::kVcpuTime)) return;
  }
  info.version = version_end(info.version);
  (void)write_area(entry, vcpu, area, 0, version, Site::kVcpuTime);
}

void put(std::span<std::byte> to, size_t offset, const void* from, size_t bytes) {
  std::memcpy(to.data() + offset, from, bytes);
}

}  // namespace

void latch_abi(Entry& entry, Domain& domain, bool mode64) {
  domain.abi32.store(!mode64);
  // The wall clock lies elsewhere in the other layout; what was written in the one before stays as it was.
  update_wallclock(entry, domain);
}

void update_wallclock(Entry& entry, Domain& domain) {
  Platform& platform = entry.platform();
  const SharedLayout layout(domain);
  const Maddr at = layout.wallclock();
  const auto [seconds, nanoseconds] = platform.wallclock_base();
  const uint32_t version = version_begin(static_cast<uint32_t>(platform.load(Site::kWallclock, at, 4)));
  put_version(platform, Site::kWallclock, at, version, domain.wallclock_version);
  platform.store(Site::kWallclock, Maddr{at.v + 4}, 4, seconds & 0xffffffff);
  platform.store(Site::kWallclock, Maddr{at.v + 8}, 4, nanoseconds);
  platform.store(Site::kWallclock, layout.wallclock_sec_hi(), 4, seconds >> 32);
  put_version(platform, Site::kWallclock, at, version_end(version), domain.wallclock_version);
}

void update_vcpu_time(Entry& entry, Vcpu& vcpu) {
  const ClockSample sample = entry.platform().clock(vcpu.domain().id());
  Area area, held;
  {
    LockGuard guard(entry, vcpu.lock);
    vcpu.time_written_ns = sample.system_time.v;
    area.address = vcpu.time_area;
    held.place = vcpu.time_place;
  }
  vcpu_time_info info = time_info(sample);
  write_vcpu_info_time(entry.platform(), vcpu, info);
  for (const Area& copy : {area, held}) {
    if (copy) write_time_area(entry, vcpu, copy, info);
  }
}

void fill_time_place(Entry& entry, Vcpu& vcpu, Maddr place) {
  vcpu_time_info info = time_info(entry.platform().clock(vcpu.domain().id()));
  info.version = ~0u;  // its end is 0
  write_time_area(entry, vcpu, Area{{}, place}, info);
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

Runstate shown_runstate(const Flavour& flavour, Runstate runstate) {
  if (!flavour.runstate_always_running) return runstate;
  for (const uint32_t state : {RUNSTATE_blocked, RUNSTATE_offline}) {
    runstate.time_ns[RUNSTATE_running] += std::exchange(runstate.time_ns[state], 0);
    if (runstate.state == state) runstate.state = RUNSTATE_running;
  }
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

namespace {

// State, time of entry, then each of the four times; the state has padding after it in the 64-bit layout.
bool write_runstate_fields(Entry& entry, Vcpu& vcpu, Area area, std::span<const std::byte> packed) {
  const size_t first = packed.size() - 5 * sizeof(uint64_t);
  size_t at = 0;
  for (size_t bytes = first; at < packed.size(); bytes = sizeof(uint64_t)) {
    if (!write_area(entry, vcpu, area, at, packed.subspan(at, bytes), Site::kRunstate)) return false;
    at += bytes;
  }
  return true;
}

void write_runstate_area(Entry& entry, Vcpu& vcpu, Area area, bool narrow, Runstate runstate) {
  const uint64_t assists = vcpu.domain().vm_assist.load(std::memory_order_relaxed);
  const bool flagged = ((assists >> VMASST_TYPE_runstate_update_flag) & 1) != 0;
  const size_t entry_time =
      narrow ? offsetof(abi32::vcpu_runstate_info, state_entry_time) : offsetof(::vcpu_runstate_info, state_entry_time);
  // The byte that has the flag (trait runstate_flag_by_word: all of its word).
  const size_t skipped = entry.flavour().runstate_flag_by_word ? 0 : 7;
  const auto write_flag = [&] {
    const auto word = std::as_bytes(std::span(&runstate.entry_time_ns, 1));
    return write_area(entry, vcpu, area, entry_time + skipped, word.subspan(skipped), Site::kRunstate);
  };

  if (flagged) {
    runstate.entry_time_ns |= kUpdateFlag;
    if (!write_flag()) return;
  }
  std::array<std::byte, 48> bytes;
  const size_t size = pack_runstate(runstate, narrow, bytes);
  if (!write_runstate_fields(entry, vcpu, area, std::span<const std::byte>(bytes).first(size))) return;
  if (flagged) {
    runstate.entry_time_ns &= ~kUpdateFlag;
    (void)write_flag();
  }
}

}  // namespace

void update_runstate_area(Entry& entry, Vcpu& vcpu) {
  Area area, held;
  bool held_narrow = false;
  Runstate runstate;
  {
    LockGuard guard(entry, vcpu.lock);
    area.address = vcpu.runstate_area;
    held.place = vcpu.runstate_place;
    held_narrow = vcpu.runstate_place_narrow;
    runstate = shown_runstate(entry.flavour(), vcpu.runstate);
  }
  const bool narrow = vcpu.domain().abi32.load(std::memory_order_relaxed);
  if (area) write_runstate_area(entry, vcpu, area, narrow, runstate);
  if (held) write_runstate_area(entry, vcpu, held, held_narrow, runstate);
}

}  // namespace xensim::xen
