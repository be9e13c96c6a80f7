// Leaves, registers and the assist word. Calls are in viridian_calls.cc.
#include "models/viridian/viridian.h"

#include <cstring>

#include "models/base/check.h"
#include "models/pc/device/state_bytes.h"

namespace xensim::viridian {
namespace {

__extension__ using Wide = unsigned __int128;

enum Msr : uint32_t {
  kGuestOsId = 0x40000000,
  kHypercall = 0x40000001,
  kVpIndex = 0x40000002,
  kTimeRefCountMsr = 0x40000020,
  kReferenceTscMsr = 0x40000021,
  kTscFrequency = 0x40000022,
  kApicFrequency = 0x40000023,
  kEoi = 0x40000070,
  kIcr = 0x40000071,
  kTpr = 0x40000072,
  kVpAssistPage = 0x40000073,
  kCrashFirst = 0x40000100,
  kCrashLast = 0x40000104,
  kCrashControl = 0x40000105,
};
constexpr uint64_t kEnabled = 1;  // of an MSR that names a page in bits 63:12
constexpr uint64_t kCrashNotify = uint64_t{1} << 63;
// A local APIC's registers in its page.
constexpr uint64_t kApicTpr = 0x80, kApicEoi = 0xb0, kApicIcrLow = 0x300, kApicIcrHigh = 0x310;

Gpa page_of(uint64_t msr) { return Gpa{msr & ~(kPageSize - 1)}; }

// Leaf 3, EAX: privileges (TLFS 4.2.2).
constexpr uint32_t kMayTimeRefCount = 1u << 1, kMayApic = 1u << 4, kMayHypercall = 1u << 5, kMayVpIndex = 1u << 6,
                   kMayReferenceTsc = 1u << 9, kMayFrequency = 1u << 11;
// Leaf 3, EDX.
constexpr uint32_t kDynamicPartitioning = 1u << 3, kCrashMsrs = 1u << 10;
// Leaf 4, EAX: what a guest is recommended to use.
constexpr uint32_t kUseFlushCalls = 1u << 2, kUseApicMsrs = 1u << 3, kRelaxTimers = 1u << 5, kUseIpiCalls = 1u << 10;
constexpr uint32_t kSpinsBeforeNotify = 2047;
// Leaf 6: MSR bitmaps, second-level paging.
constexpr uint32_t kHardware = 1u << 1 | 1u << 3;
// Leaf 2: the version of Windows Server 2008, which Xen says it is.
constexpr uint32_t kBuild = 0x1772, kVersion = 6u << 16;

uint32_t text(const char (&four)[5]) {
  uint32_t word = 0;
  std::memcpy(&word, four, sizeof word);
  return word;
}

}  // namespace

Viridian::Viridian(const Config& config, Client& client) : config_(config), client_(client), vcpus_(config.vcpus) {
  XS_CHECK((config.groups & kBase) != 0 && config.tsc_khz > 0);
}

CpuidResult Viridian::cpuid(uint32_t leaf) const {
  const auto if_has = [this](uint32_t group, uint32_t bits) { return has(group) ? bits : 0; };
  constexpr unsigned kOsShift = 40;
  const uint64_t os = state_.guest_os_id >> kOsShift & 0xff;
  switch (leaf - 0x40000000) {
    case 0: return {0x40000006, text("Micr"), text("osof"), text("t Hv")};
    case 1: return {text("Hv#1"), 0, 0, 0};
    case 2: return state_.guest_os_id == 0 ? CpuidResult{} : CpuidResult{kBuild, kVersion, 0, 0};
    case 3:
      return {kMayApic | kMayHypercall | kMayVpIndex | if_has(kFreq, kMayFrequency) |
                  if_has(kTimeRefCount, kMayTimeRefCount) | if_has(kReferenceTsc, kMayReferenceTsc),
              0, 0, if_has(kCpuHotplug, kDynamicPartitioning) | if_has(kCrashCtl, kCrashMsrs)};
    case 4:
      if (state_.guest_os_id == 0 || os < 4) return {};
      return {
          kRelaxTimers | kUseApicMsrs | if_has(kHcallRemoteTlbFlush, kUseFlushCalls) | if_has(kHcallIpi, kUseIpiCalls),
          kSpinsBeforeNotify, 0, 0};
    case 5: return {if_has(kNoVpLimit, ~0u), 0, 0, 0};
    case 6: return {kHardware, 0, 0, 0};
    default: return {};
  }
}

// In units of 100 ns since the domain's start, from the TSC by the scale that the reference TSC page has.
uint64_t Viridian::reference_time() {
  const uint64_t scale = ((uint64_t{10000} << 32) / config_.tsc_khz) << 32;
  return static_cast<uint64_t>(Wide{client_.tsc()} * scale >> 64);
}

std::optional<uint64_t> Viridian::rdmsr(VcpuId id, uint32_t msr) {
  const VcpuState& self = vcpu(id);
  pc::LocalApic& apic = client_.apic(id);
  if (msr >= kCrashFirst && msr <= kCrashLast) return self.crash[msr - kCrashFirst];
  const auto if_has = [this](uint32_t group, uint64_t value) {
    return has(group) ? std::optional(value) : std::nullopt;
  };
  switch (msr) {
    case kGuestOsId: return state_.guest_os_id;
    case kHypercall: return state_.hypercall_msr;
    case kVpIndex: return id.v;
    case kTimeRefCountMsr: return if_has(kTimeRefCount, reference_time());
    case kReferenceTscMsr: return if_has(kReferenceTsc, state_.reference_tsc_msr);
    case kTscFrequency: return if_has(kFreq, config_.tsc_khz * 1000);
    case kApicFrequency: return if_has(kFreq, config_.apic_hz);
    case kIcr: return uint64_t{apic.register_at(kApicIcrHigh)} << 32 | apic.register_at(kApicIcrLow);
    case kTpr: return apic.register_at(kApicTpr);
    case kVpAssistPage: return self.assist_msr;
    case kCrashControl: return kCrashNotify;
    default: return std::nullopt;
  }
}

bool Viridian::wrmsr(VcpuId id, uint32_t msr, uint64_t value) {
  VcpuState& self = vcpu(id);
  pc::LocalApic& apic = client_.apic(id);
  if (msr >= kCrashFirst && msr <= kCrashLast) {
    self.crash[msr - kCrashFirst] = value;
    return true;
  }
  switch (msr) {
    case kGuestOsId: state_.guest_os_id = value; return true;
    case kHypercall:
      state_.hypercall_msr = value;
      if ((value & kEnabled) != 0) write_hypercall_page();
      return true;
    case kVpIndex: return true;
    case kReferenceTscMsr:
      if (!has(kReferenceTsc)) return false;
      state_.reference_tsc_msr = value;
      if ((value & kEnabled) != 0) write_reference_tsc_page();
      return true;
    case kEoi: apic.set_register(kApicEoi, 0); return true;
    case kIcr:
      apic.set_register(kApicIcrHigh, static_cast<uint32_t>(value >> 32));
      apic.set_register(kApicIcrLow, static_cast<uint32_t>(value));
      return true;
    case kTpr: apic.set_register(kApicTpr, static_cast<uint32_t>(value)); return true;
    case kVpAssistPage: set_assist_page(self, value); return true;
    case kCrashControl:
      if ((value & kCrashNotify) != 0) state_.crashed = 1;
      return true;
    default: return false;
  }
}

// `or $0x80000000, %eax; vmcall; ret`: bit 31 tells these calls from Xen's. It stays when it is disabled.
void Viridian::write_hypercall_page() {
  constexpr unsigned char kCode[] = {0x0d, 0, 0, 0, 0x80, 0x0f, 0x01, 0xc1, 0xc3};
  std::array<std::byte, kPageSize> page;
  page.fill(std::byte{0xcc});
  std::memcpy(page.data(), kCode, sizeof kCode);
  client_.write_memory(page_of(state_.hypercall_msr), page);
}

// HV_REFERENCE_TSC_PAGE (TLFS 12.7): the time is (TSC * scale >> 64) + offset.
void Viridian::write_reference_tsc_page() {
  struct {
    uint32_t sequence = 1;
    uint32_t reserved = 0;
    uint64_t scale;
    int64_t offset = 0;
  } head;
  head.scale = ((uint64_t{10000} << 32) / config_.tsc_khz) << 32;
  std::array<std::byte, kPageSize> page{};
  std::memcpy(page.data(), &head, sizeof head);
  client_.write_memory(page_of(state_.reference_tsc_msr), page);
}

void Viridian::set_assist_page(VcpuState& self, uint64_t value) {
  self.assist_msr = value;
  self.assist_page = 0;
  if ((value & kEnabled) == 0) return;
  const std::array<std::byte, kPageSize> zeroes{};
  if (client_.write_memory(page_of(value), zeroes)) self.assist_page = page_of(value).v | kEnabled;
}

void Viridian::write_assist(VcpuState& self, uint32_t value) {
  client_.write_memory(page_of(self.assist_page), std::as_bytes(std::span(&value, 1)));
}

void Viridian::offer(VcpuId id) {
  VcpuState& self = vcpu(id);
  if (self.assist_page == 0) return;
  self.offered = 1;
  write_assist(self, 1);
}

bool Viridian::taken(VcpuId id) {
  VcpuState& self = vcpu(id);
  if (self.assist_page == 0 || self.offered == 0) return false;
  uint32_t word = 0;
  if (!client_.read_memory(page_of(self.assist_page), std::as_writable_bytes(std::span(&word, 1))) || (word & 1) != 0)
    return false;
  self.offered = 0;
  return true;
}

void Viridian::withdraw(VcpuId id) {
  VcpuState& self = vcpu(id);
  if (self.assist_page == 0) return;
  write_assist(self, 0);
  self.offered = 0;
}

void Viridian::save(std::vector<std::byte>& out) const {
  pc::save_state(out, state_);
  for (const VcpuState& self : vcpus_) pc::save_state(out, self);
}

Status Viridian::restore(std::span<const std::byte>& in) {
  std::span<const std::byte> rest = in;
  State state;
  std::vector<VcpuState> vcpus(vcpus_.size());
  XS_TRY_STATUS(pc::restore_state(rest, state));
  for (VcpuState& self : vcpus) XS_TRY_STATUS(pc::restore_state(rest, self));
  state_ = state;
  vcpus_ = std::move(vcpus);
  in = rest;
  return {};
}

}  // namespace xensim::viridian
