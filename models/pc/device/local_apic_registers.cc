// The register side of the local APIC: which exist, which may be read and written, reserved bits (SDM tables 11-1 and
// 11-6).
#include "models/pc/device/local_apic.h"

namespace xensim::pc {
namespace {

constexpr uint32_t kErrorIllegalRegister = 1u << 7;  // of the error status register

// Register numbers: MMIO offset >> 4, and MSR - 0x800.
enum Register : uint32_t {
  kId = 0x02,
  kVersion = 0x03,
  kTpr = 0x08,
  kApr = 0x09,
  kPpr = 0x0a,
  kEoi = 0x0b,
  kRemoteRead = 0x0c,
  kLdr = 0x0d,
  kDfr = 0x0e,
  kSvr = 0x0f,
  kIsr = 0x10,
  kTmr = 0x18,
  kIrr = 0x20,
  kEsr = 0x28,
  kIcrLow = 0x30,
  kIcrHigh = 0x31,
  kLvt = 0x32,  // timer, thermal, performance, LINT0, LINT1, error
  kLvtLast = 0x37,
  kInitialCount = 0x38,
  kCurrentCount = 0x39,
  kDivide = 0x3e,
  kSelfIpi = 0x3f,
};

constexpr uint32_t kApicVersion = 0x50014;  // an integrated APIC with six LVTs, no EOI broadcast suppression
constexpr uint32_t kSvrWritable = 0x1ff;
// Vector; delivery mode, pin polarity, trigger mode; mask; timer mode. Delivery status (bit 12) and remote IRR (14) are
// read-only in the manual; hypervisors keep what is written to them.
constexpr uint32_t kLvtWritable[] = {0x710ff, 0x117ff, 0x117ff, 0x1f7ff, 0x1f7ff, 0x110ff};
// Vector, delivery mode, destination mode, level, trigger mode, shorthand. The delivery status (bit 12) is read-only.
constexpr uint32_t kIcrWritable = 0x000ccfff;
constexpr uint32_t kIcrReadOnly = 1u << 12;

// Registers of xAPIC mode alone.
bool only_xapic(uint32_t index) { return index == kApr || index == kRemoteRead || index == kDfr || index == kIcrHigh; }

}  // namespace

std::optional<uint32_t> LocalApic::read_register(uint32_t index) const {
  if (index >= kIsr && index < kIsr + 8) return state_.isr[index - kIsr];
  if (index >= kTmr && index < kTmr + 8) return state_.tmr[index - kTmr];
  if (index >= kIrr && index < kIrr + 8) return state_.irr[index - kIrr];
  if (index >= kLvt && index <= kLvtLast) return state_.lvt[index - kLvt];
  switch (index) {
    case kId: return x2apic_mode() ? config_.apic_id : config_.apic_id << 24;
    case kVersion: return kApicVersion;
    case kTpr: return state_.tpr;
    case kPpr: return processor_priority();
    case kLdr: return state_.ldr;
    case kDfr: return state_.dfr;
    case kSvr: return state_.svr;
    case kEsr: return state_.esr;
    case kIcrLow: return state_.icr_low;
    case kIcrHigh: return state_.icr_high;
    case kInitialCount: return timer_.initial_count();
    case kCurrentCount: return timer_.current_count();
    case kDivide: return timer_.divide();
    case kApr:
    case kRemoteRead:
    case kEoi: return 0;
    default: return std::nullopt;
  }
}

void LocalApic::write_svr(uint32_t value) {
  state_.svr = value & kSvrWritable;
  if (!software_enabled()) {
    for (uint32_t& lvt : state_.lvt) lvt |= kLvtMasked;  // and they stay so until it is enabled (SDM 11.4.7.2)
  } else {
    // Xen looks for a pending upcall at each such write, not only at the first.
    client_.software_enabled(config_.vcpu);
    notify();
  }
}

void LocalApic::write_lvt(unsigned lvt, uint32_t value) {
  value &= kLvtWritable[lvt];
  if (!software_enabled()) value |= kLvtMasked;
  state_.lvt[lvt] = value;
  if (lvt == kLvtTimer) timer_.set_mode(static_cast<ApicTimerMode>((value >> 17) & 3));
}

// Registers that cannot be written ignore it; those that are not there at all are an error.
void LocalApic::write_register(uint32_t index, uint32_t value) {
  if (index >= kLvt && index <= kLvtLast) return write_lvt(index - kLvt, value);
  switch (index) {
    case kTpr: write_tpr(value); break;
    case kEoi: end_of_interrupt(); break;
    case kLdr: state_.ldr = value & 0xff000000; break;
    case kDfr: state_.dfr = value | 0x0fffffff; break;
    case kSvr: write_svr(value); break;
    case kEsr: write_esr(); break;
    case kIcrLow:
      state_.icr_low = value & kIcrWritable;
      send_ipi();
      break;
    case kIcrHigh: state_.icr_high = value & 0xff000000; break;
    case kInitialCount: timer_.set_initial_count(value); break;
    case kDivide: timer_.set_divide(value); break;
    default:
      if (!read_register(index)) report_error(kErrorIllegalRegister);
  }
}

uint64_t LocalApic::mmio_read(uint64_t offset, unsigned bytes) {
  if (!hardware_enabled() || x2apic_mode()) return ~uint64_t{0};
  const auto byte = static_cast<unsigned>(offset & 0xf);
  const auto value = read_register(static_cast<uint32_t>(offset >> 4));
  if (!value) report_error(kErrorIllegalRegister);
  if (byte + bytes > 4) return 0;
  return (value.value_or(0) >> (8 * byte)) & ((uint64_t{1} << (8 * bytes)) - 1);
}

void LocalApic::mmio_write(uint64_t offset, unsigned bytes, uint64_t value) {
  if (!hardware_enabled() || x2apic_mode() || (offset & 0xf) != 0 || bytes != 4) return;
  write_register(static_cast<uint32_t>(offset >> 4), static_cast<uint32_t>(value));
}

std::optional<uint64_t> LocalApic::read_x2apic(uint32_t index) const {
  if (index == kIcrLow) return (uint64_t{state_.icr_high} << 32) | state_.icr_low;
  if (only_xapic(index) || index == kEoi) return std::nullopt;
  return read_register(index);
}

bool LocalApic::write_x2apic(uint32_t index, uint64_t value) {
  const auto low = static_cast<uint32_t>(value);
  const auto only = [value](uint64_t allowed) { return (value & ~allowed) == 0; };
  bool legal = false;
  if (index >= kLvt && index <= kLvtLast) {
    legal = only(kLvtWritable[index - kLvt]);
  } else {
    switch (index) {
      case kTpr: legal = only(0xff); break;
      case kEoi:
      case kEsr: legal = value == 0; break;
      case kSvr: legal = only(kSvrWritable); break;
      case kIcrLow: legal = only((uint64_t{0xffffffff} << 32) | kIcrWritable | kIcrReadOnly); break;
      case kInitialCount: legal = only(0xffffffff); break;
      case kDivide: legal = only(0xb); break;
      case kSelfIpi: legal = only(0xff); break;
      default: break;
    }
  }
  if (!legal) return false;
  if (index == kSelfIpi) {
    self_ipi(static_cast<uint8_t>(low));
    return true;
  }
  if (index == kIcrLow) state_.icr_high = static_cast<uint32_t>(value >> 32);
  write_register(index, low);
  return true;
}

std::optional<uint64_t> LocalApic::rdmsr(uint32_t msr) {
  if (msr == kMsrApicBase) return state_.apic_base;
  if (msr == kMsrTscDeadline) return timer_.deadline();
  if (msr < kMsrX2apicFirst || msr > kMsrX2apicLast || !x2apic_mode()) return std::nullopt;
  return read_x2apic(msr - kMsrX2apicFirst);
}

bool LocalApic::wrmsr(uint32_t msr, uint64_t value) {
  if (msr == kMsrApicBase) return write_apic_base(value);
  if (msr == kMsrTscDeadline) {
    timer_.set_deadline(value);
    return true;
  }
  if (msr < kMsrX2apicFirst || msr > kMsrX2apicLast || !x2apic_mode()) return false;
  return write_x2apic(msr - kMsrX2apicFirst, value);
}

}  // namespace xensim::pc
