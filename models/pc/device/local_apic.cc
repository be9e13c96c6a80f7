// The interrupt side of the local APIC: acceptance, priorities, IPIs, errors, modes. Registers are in
// local_apic_registers.cc.
#include "models/pc/device/local_apic.h"

#include <bit>

#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

// Bits of the error status register (SDM figure 11-9).
constexpr uint32_t kErrorSendIllegalVector = 1u << 5;
constexpr uint32_t kErrorReceiveIllegalVector = 1u << 6;

constexpr uint8_t kFirstLegalVector = 16;

template <class Bits>
std::optional<uint8_t> highest(const Bits& bits) {
  for (unsigned word = 8; word-- > 0;) {
    if (bits[word] != 0)
      return static_cast<uint8_t>(word * 32 + 31u - static_cast<unsigned>(std::countl_zero(bits[word])));
  }
  return std::nullopt;
}

template <class Bits>
bool has_bit(const Bits& bits, uint8_t vector) {
  return (bits[vector / 32u] >> (vector % 32u) & 1) != 0;
}

template <class Bits>
void set_bit(Bits& bits, uint8_t vector) {
  bits[vector / 32u] |= 1u << (vector % 32u);
}

template <class Bits>
void clear_bit(Bits& bits, uint8_t vector) {
  bits[vector / 32u] &= ~(1u << (vector % 32u));
}

}  // namespace

LocalApic::LocalApic(const ApicConfig& config, ApicBus& bus, ApicClient& client, const Clock& clock,
                     DeviceTimers& timers)
    : config_(config), bus_(bus), client_(client), timer_(config.vcpu.v, config.bus_hz, config.tsc_hz, clock, timers) {
  state_.apic_base = kApicDefaultBase.v | kApicBaseEnable | (config.bootstrap ? kApicBaseBsp : 0);
  bus_.attach(*this);
}

uint8_t LocalApic::processor_priority() const {
  const uint8_t in_service = highest(state_.isr).value_or(0);
  const auto tpr = static_cast<uint8_t>(state_.tpr);
  return (tpr >> 4) >= (in_service >> 4) ? tpr : static_cast<uint8_t>(in_service & 0xf0);
}

bool LocalApic::has_deliverable() {
  if (!software_enabled()) return false;
  const auto vector = highest(state_.irr);
  if (!vector) return false;
  if (assist_ != nullptr && assist_->taken(config_.vcpu)) end_highest();
  const auto in_service = highest(state_.isr);
  // Something waits for the end of what is in service: that must be told.
  if (assist_ != nullptr && in_service && (*vector >> 4) <= (*in_service >> 4)) assist_->withdraw(config_.vcpu);
  return (*vector >> 4) > (processor_priority() >> 4);
}

std::optional<uint8_t> LocalApic::acknowledge() {
  if (!has_deliverable()) return std::nullopt;
  const uint8_t vector = *highest(state_.irr);
  const bool alone = !highest(state_.isr);
  clear_bit(state_.irr, vector);
  set_bit(state_.isr, vector);
  if (assist_ != nullptr && alone && vector > kFirstLegalVector && !has_bit(state_.tmr, vector))
    assist_->offer(config_.vcpu);
  return vector;
}

void LocalApic::notify() {
  if (has_deliverable()) client_.interrupt_ready(config_.vcpu);
}

void LocalApic::assert_vector(uint8_t vector, bool level) {
  if (!software_enabled()) return;
  if (vector < kFirstLegalVector) {
    report_error(kErrorReceiveIllegalVector);
    return;
  }
  set_bit(state_.irr, vector);
  if (level) {
    set_bit(state_.tmr, vector);
  } else {
    clear_bit(state_.tmr, vector);
  }
  notify();
}

void LocalApic::end_highest() {
  const auto vector = highest(state_.isr);
  if (!vector) return;
  clear_bit(state_.isr, *vector);
  if (has_bit(state_.tmr, *vector)) bus_.ended(*vector);
}

void LocalApic::end_of_interrupt() {
  if (!highest(state_.isr)) return;
  if (assist_ != nullptr) {
    // An EOI that was left out comes before this one.
    if (assist_->taken(config_.vcpu)) end_highest();
    if (highest(state_.isr)) assist_->withdraw(config_.vcpu);
  }
  end_highest();
  notify();
}

void LocalApic::write_tpr(uint32_t value) {
  state_.tpr = value & (config_.quirks.tpr_is_cr8 ? 0xf0 : 0xff);
  notify();
}

// An interrupt from the local vector table: of the timer, or of the error register. Both are always of the fixed mode.
void LocalApic::fire_lvt(unsigned lvt) {
  if ((state_.lvt[lvt] & kLvtMasked) == 0) assert_vector(static_cast<uint8_t>(state_.lvt[lvt]));
}

// A bit that is pending already raises no second interrupt; so a bad vector in the error LVT itself ends here, too.
void LocalApic::report_error(uint32_t bit) {
  const ApicErrors kind = config_.quirks.errors;
  if (kind == ApicErrors::kNone) return;
  if (kind == ApicErrors::kSticky && (bit & (kErrorSendIllegalVector | kErrorReceiveIllegalVector)) == 0) return;
  uint32_t& errors = kind == ApicErrors::kSticky ? state_.esr : state_.pending_errors;
  if ((errors & bit) != 0) return;
  errors |= bit;
  fire_lvt(kLvtError);
}

void LocalApic::write_esr() {
  if (config_.quirks.errors != ApicErrors::kLatched) return;
  state_.esr = state_.pending_errors;
  state_.pending_errors = 0;
}

void LocalApic::timer_expired() {
  if (timer_.expired()) fire_lvt(kLvtTimer);
}

void LocalApic::self_ipi(uint8_t vector) {
  if (vector < kFirstLegalVector) {
    report_error(kErrorSendIllegalVector);
  } else {
    assert_vector(vector);
  }
}

// Sends what the ICR says (SDM figures 11-12 and 11-28). Level and trigger mode count for one thing alone: an INIT
// level de-assert has no effect. A delivery is over at once, so the delivery status is never seen set.
void LocalApic::send_ipi() {
  const uint32_t low = state_.icr_low;
  const unsigned mode = (low >> 8) & 7;
  if (mode == 3 || mode == 7) return;
  ApicMessage message;
  message.mode = static_cast<DeliveryMode>(mode);
  message.vector = static_cast<uint8_t>(low);
  message.shorthand = static_cast<Shorthand>((low >> 18) & 3);
  message.logical = (low & (1u << 11)) != 0;
  message.destination = x2apic_mode() ? state_.icr_high : state_.icr_high >> 24;
  message.broadcast = message.destination == (x2apic_mode() ? 0xffffffff : 0xff);

  const bool asserted = (low & (1u << 14)) != 0;
  const bool level = (low & (1u << 15)) != 0;
  if (message.mode == DeliveryMode::kInit && level && !asserted) return;
  const bool carries_vector = message.mode == DeliveryMode::kFixed || message.mode == DeliveryMode::kLowestPriority;
  if (carries_vector && message.vector < kFirstLegalVector) {
    report_error(kErrorSendIllegalVector);
    return;
  }
  bus_.send(*this, message);
}

bool LocalApic::matches(bool logical, uint32_t destination) const {
  if (!logical) return destination == (x2apic_mode() ? config_.apic_id : config_.apic_id & 0xff);
  if (x2apic_mode()) return (state_.ldr >> 16) == (destination >> 16) && (state_.ldr & destination & 0xffff) != 0;
  if (destination > 0xff) return false;
  const uint32_t logical_id = state_.ldr >> 24;
  switch (state_.dfr >> 28) {
    case 0xf: return (logical_id & destination) != 0;                                                   // flat
    case 0x0: return (logical_id >> 4) == (destination >> 4) && (logical_id & destination & 0xf) != 0;  // cluster
    default: return false;
  }
}

void LocalApic::accept(DeliveryMode mode, uint8_t vector, bool level) {
  switch (mode) {
    case DeliveryMode::kFixed:
    case DeliveryMode::kLowestPriority: assert_vector(vector, level); break;
    case DeliveryMode::kNmi: client_.nmi(config_.vcpu); break;
    case DeliveryMode::kInit:
      reset_registers();
      client_.init(config_.vcpu);
      break;
    case DeliveryMode::kStartup: client_.startup(config_.vcpu, vector); break;
    case DeliveryMode::kSmi: break;
  }
}

// All but APIC_BASE goes back to its value at power-up (SDM 11.4.7.3: INIT leaves the mode alone).
void LocalApic::reset_registers() {
  const uint64_t apic_base = state_.apic_base;
  timer_.reset();
  state_ = State{};
  state_.apic_base = apic_base;
  if (x2apic_mode()) state_.ldr = ((config_.apic_id >> 4) << 16) | (1u << (config_.apic_id & 0xf));
}

// The mode transitions of SDM figure 11-27. The BSP flag holds what is written.
bool LocalApic::write_apic_base(uint64_t value) {
  constexpr uint64_t kModeBits = kApicBaseEnable | kApicBaseX2apic;
  if ((value & ~(kModeBits | kApicBaseBsp | kBaseAddress)) != 0) return false;
  const uint64_t from = state_.apic_base & kModeBits;
  const uint64_t to = value & kModeBits;
  if (!config_.quirks.movable && to == kApicBaseEnable && (value & kBaseAddress) != kApicDefaultBase.v) return false;
  if (to == kApicBaseX2apic) return false;                              // not a mode
  if (to == kModeBits && (from == 0 || !config_.x2apic)) return false;  // x2APIC is entered from xAPIC alone
  if (from == kModeBits && to == kApicBaseEnable) return false;         // and left by disabling alone
  state_.apic_base = value;
  if (from == to) return true;
  if (to == kModeBits) {
    state_.ldr = ((config_.apic_id >> 4) << 16) | (1u << (config_.apic_id & 0xf));
  } else if (to == 0 && !config_.quirks.keeps_registers) {
    reset_registers();
  }
  return true;
}

void LocalApic::save(std::vector<std::byte>& out) const {
  timer_.save(out);
  save_state(out, state_);
}

Status LocalApic::restore(std::span<const std::byte>& in) {
  std::span<const std::byte> rest = in;
  ApicTimer timer = timer_;
  XS_TRY_STATUS(timer.restore(rest));
  XS_TRY_STATUS(restore_state(rest, state_));
  XS_TRY_STATUS(timer_.restore(in));
  in = rest;
  return {};
}

}  // namespace xensim::pc
