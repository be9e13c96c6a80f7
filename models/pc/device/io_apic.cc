// See io_apic.h.
#include "models/pc/device/io_apic.h"

#include "models/base/check.h"
#include "models/pc/device/addresses.h"
#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

constexpr uint64_t kMasked = 1u << 16, kLevel = 1u << 15, kRemoteIrr = 1u << 14, kReadOnly = kRemoteIrr | 1u << 12;
constexpr uint8_t kVersionWithEoi = 0x20;
constexpr uint32_t kIdRegister = 0, kVersionRegister = 1, kArbitration = 2, kFirstEntry = 0x10;
constexpr uint64_t kSelectOffset = 0, kWindowOffset = 0x10, kEoiOffset = 0x40;

}  // namespace

IoApic::IoApic(ApicBus& bus, const IoApicModel& model, uint8_t id) : bus_(bus), model_(model) {
  XS_CHECK(model.pins <= kMostPins);
  state_.entries.fill(kMasked);
  state_.id = uint32_t{id} << 24;
}

MmioRange IoApic::mmio() const { return {Gpa{kIoApicBase}, kPageSize}; }

uint32_t IoApic::read_register() const {
  if (state_.select == kIdRegister || state_.select == kArbitration) return state_.id;
  if (state_.select == kVersionRegister) return model_.version | (model_.pins - 1) << 16;
  const uint32_t index = state_.select - kFirstEntry;
  if (index >= 2 * model_.pins) return 0;
  return static_cast<uint32_t>(state_.entries[index / 2] >> (index % 2 * 32));
}

void IoApic::write_register(uint32_t value) {
  if (state_.select == kIdRegister) state_.id = value & 0x0f000000;
  const uint32_t index = state_.select - kFirstEntry;
  if (index >= 2 * model_.pins) return;
  uint64_t& entry = state_.entries[index / 2];
  if (index % 2 == 1) {
    entry = (entry & 0xffffffff) | uint64_t{value} << 32;
  } else {
    entry = (entry & (0xffffffff00000000 | kReadOnly)) | (value & ~kReadOnly);
    if ((entry & kLevel) == 0) entry &= ~kRemoteIrr;
  }
  // A level that is up and was masked is delivered now; an edge that came then is lost.
  if ((entry & kLevel) != 0 && (state_.lines >> index / 2 & 1) != 0) deliver(index / 2);
}

uint64_t IoApic::mmio_read(uint64_t offset, unsigned /*bytes*/) {
  if (offset == kSelectOffset) return state_.select;
  return offset == kWindowOffset ? read_register() : 0;
}

void IoApic::mmio_write(uint64_t offset, unsigned /*bytes*/, uint64_t value) {
  if (offset == kSelectOffset) state_.select = value & 0xff;
  if (offset == kWindowOffset) write_register(static_cast<uint32_t>(value));
  if (offset == kEoiOffset && model_.version >= kVersionWithEoi) end_of_interrupt(static_cast<uint8_t>(value));
}

void IoApic::set_irq(unsigned pin, bool level) {
  if (pin >= model_.pins) return;
  const uint64_t bit = uint64_t{1} << pin;
  const bool was = (state_.lines & bit) != 0;
  state_.lines = level ? state_.lines | bit : state_.lines & ~bit;
  if (level && (!was || (state_.entries[pin] & kLevel) != 0)) deliver(pin);
}

void IoApic::deliver(unsigned pin) {
  uint64_t& entry = state_.entries[pin];
  if ((entry & kMasked) != 0) return;
  if ((entry & kLevel) != 0) {
    if ((entry & kRemoteIrr) != 0) return;
    entry |= kRemoteIrr;
  }
  ApicMessage message;
  const auto mode = static_cast<unsigned>(entry >> 8 & 7);
  if (mode == 3 || mode == 7) return;  // reserved, and ExtINT: the 8259 has no vector to give here
  message.mode = static_cast<DeliveryMode>(mode);
  message.vector = static_cast<uint8_t>(entry);
  message.logical = (entry >> 11 & 1) != 0;
  message.level = (entry & kLevel) != 0;
  message.destination = static_cast<uint32_t>(entry >> 56);
  message.broadcast = message.destination == 0xff;
  bus_.send_from_device(message);
}

void IoApic::end_of_interrupt(uint8_t vector) {
  for (unsigned pin = 0; pin < model_.pins; ++pin) {
    uint64_t& entry = state_.entries[pin];
    if ((entry & kRemoteIrr) == 0 || static_cast<uint8_t>(entry) != vector) continue;
    entry &= ~kRemoteIrr;
    if ((state_.lines >> pin & 1) != 0) deliver(pin);
  }
}

void IoApic::save(std::vector<std::byte>& out) const { save_state(out, state_); }
Status IoApic::restore(std::span<const std::byte>& in) { return restore_state(in, state_); }

}  // namespace xensim::pc
