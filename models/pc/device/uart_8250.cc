// The registers of the 16550A.
#include "models/pc/device/uart_8250.h"

#include <algorithm>

#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

// Register offsets; the first two are the divisor's while LCR bit 7 (DLAB) is set.
enum Register : unsigned { kData, kIer, kIirFcr, kLcr, kMcr, kLsr, kMsr, kScratch };

constexpr uint8_t kDlab = 0x80;
constexpr uint8_t kMcrOut2 = 0x08;  // a PC's gate between the chip's interrupt and the controller
constexpr uint8_t kLsrDataReady = 0x01;
constexpr uint8_t kLsrOverrun = 0x02;
constexpr uint8_t kLsrTransmitterEmpty = 0x60;  // THRE and TEMT: always
constexpr uint8_t kIerData = 0x01, kIerThre = 0x02, kIerLine = 0x04, kIerModem = 0x08;
constexpr uint8_t kIirNone = 0x01, kIirModem = 0x00, kIirThre = 0x02, kIirData = 0x04, kIirLine = 0x06,
                  kIirTimeout = 0x0c;
constexpr uint8_t kIirFifo = 0xc0;
constexpr uint8_t kModemPresent = 0xb0;  // CTS, DSR, DCD: somebody is at the other end
constexpr unsigned kTriggerLevels[] = {1, 4, 8, 14};

}  // namespace

Uart8250::Uart8250(ConsoleSink& sink, InterruptLines& lines, uint16_t port, unsigned irq)
    : port_(port), irq_(irq), sink_(sink), lines_(lines) {}

std::vector<PortRange> Uart8250::ports() const { return {{port_, 8, 1}}; }

uint32_t Uart8250::port_in(uint16_t port, unsigned /*bytes*/) {
  const uint8_t value = read_register(port - port_);
  update_irq();
  return value;
}

void Uart8250::port_out(uint16_t port, unsigned /*bytes*/, uint32_t value) {
  write_register(port - port_, static_cast<uint8_t>(value));
  update_irq();
}

void Uart8250::input(std::string_view bytes) {
  input_.append(bytes);
  refill();
  update_irq();
}

// The highest interrupt that is enabled and pending, as IIR bits 3:0 (data sheet, table V).
uint8_t Uart8250::interrupt_id() const {
  if ((state_.ier & kIerLine) != 0 && state_.line_errors != 0) return kIirLine;
  if ((state_.ier & kIerData) != 0 && state_.fifo_count != 0) {
    if (!fifo_enabled() || state_.fifo_count >= kTriggerLevels[state_.fcr >> 6]) return kIirData;
    return kIirTimeout;  // four character times are over at once
  }
  if ((state_.ier & kIerThre) != 0 && state_.thre_pending != 0) return kIirThre;
  if ((state_.ier & kIerModem) != 0 && state_.modem_deltas != 0) return kIirModem;
  return kIirNone;
}

void Uart8250::update_irq() {
  // In loopback the OUT2 pin is inactive, whatever MCR says.
  const bool gate = (state_.mcr & kMcrOut2) != 0 && !loopback();
  const bool level = gate && interrupt_id() != kIirNone;
  if (level == (state_.irq_level != 0)) return;
  state_.irq_level = level ? 1 : 0;
  lines_.set_irq(irq_, level);
}

uint8_t Uart8250::line_status() const {
  return static_cast<uint8_t>(kLsrTransmitterEmpty | state_.line_errors | (state_.fifo_count != 0 ? kLsrDataReady : 0));
}

// MSR bits 7:4. In loopback they are MCR's outputs: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD.
uint8_t Uart8250::modem_lines() const {
  if (!loopback()) return kModemPresent;
  const unsigned mcr = state_.mcr;
  return static_cast<uint8_t>(((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4));
}

uint8_t Uart8250::receive() {
  if (state_.fifo_count == 0) return 0;
  const uint8_t byte = state_.fifo[state_.fifo_first];
  state_.fifo_first = static_cast<uint8_t>((state_.fifo_first + 1) % kFifoBytes);
  --state_.fifo_count;
  refill();
  return byte;
}

void Uart8250::push(uint8_t byte) {
  if (state_.fifo_count >= capacity()) {
    state_.line_errors |= kLsrOverrun;
    if (fifo_enabled()) return;  // a full FIFO keeps what it has,
    state_.fifo_count = 0;       // the single register is overwritten
  }
  state_.fifo[(state_.fifo_first + state_.fifo_count) % kFifoBytes] = byte;
  ++state_.fifo_count;
}

void Uart8250::refill() {
  if (loopback()) return;  // the line is cut off
  size_t taken = 0;
  while (taken < input_.size() && state_.fifo_count < capacity()) push(static_cast<uint8_t>(input_[taken++]));
  input_.erase(0, taken);
}

void Uart8250::transmit(uint8_t byte) {
  if (loopback()) {
    push(byte);
  } else {
    sink_.console_output(ConsoleSource::kUart, byte);
  }
  state_.thre_pending = 1;  // empty again already
}

uint8_t Uart8250::read_register(unsigned offset) {
  const bool dlab = (state_.lcr & kDlab) != 0;
  switch (offset) {
    case kData: return dlab ? state_.divisor_low : receive();
    case kIer: return dlab ? state_.divisor_high : state_.ier;
    case kIirFcr: {
      const uint8_t id = interrupt_id();
      if (id == kIirThre) state_.thre_pending = 0;  // reading IIR is what answers this one
      return static_cast<uint8_t>(id | (fifo_enabled() ? kIirFifo : 0));
    }
    case kLcr: return state_.lcr;
    case kMcr: return state_.mcr;
    case kLsr: {
      const uint8_t status = line_status();
      state_.line_errors = 0;
      return status;
    }
    case kMsr: {
      const auto status = static_cast<uint8_t>(modem_lines() | state_.modem_deltas);
      state_.modem_deltas = 0;
      return status;
    }
    default: return state_.scratch;
  }
}

void Uart8250::write_fcr(uint8_t value) {
  const bool toggled = ((value ^ state_.fcr) & 1) != 0;
  if (toggled || ((value & 1) != 0 && (value & 2) != 0)) state_.fifo_count = 0;  // a change of mode empties it, too
  state_.fcr = (value & 1) != 0 ? static_cast<uint8_t>(value & 0xc9) : uint8_t{0};
  refill();
}

void Uart8250::write_mcr(uint8_t value) {
  const uint8_t before = modem_lines();
  state_.mcr = value & 0x1f;
  const uint8_t after = modem_lines();
  const auto changed = static_cast<uint8_t>(before ^ after);
  // A change of CTS, DSR or DCD is a delta; RI counts on its falling edge alone.
  state_.modem_deltas |= static_cast<uint8_t>((changed & 0xb0) >> 4);
  if ((before & ~after & 0x40) != 0) state_.modem_deltas |= 0x04;
  refill();
}

void Uart8250::write_register(unsigned offset, uint8_t value) {
  const bool dlab = (state_.lcr & kDlab) != 0;
  switch (offset) {
    case kData:
      if (dlab) {
        state_.divisor_low = value;
      } else {
        transmit(value);
      }
      break;
    case kIer:
      if (dlab) {
        state_.divisor_high = value;
        break;
      }
      // Enabling the transmitter's interrupt while it is empty raises it.
      if ((value & kIerThre) != 0 && (state_.ier & kIerThre) == 0) state_.thre_pending = 1;
      state_.ier = value & 0x0f;
      break;
    case kIirFcr: write_fcr(value); break;
    case kLcr: state_.lcr = value; break;
    case kMcr: write_mcr(value); break;
    case kScratch: state_.scratch = value; break;
    default: break;  // LSR and MSR are read-only
  }
}

void Uart8250::save(std::vector<std::byte>& out) const {
  State state = state_;
  state.waiting = input_.size();
  save_state(out, state);
  const auto bytes = std::as_bytes(std::span(input_));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Status Uart8250::restore(std::span<const std::byte>& in) {
  std::span<const std::byte> rest = in;
  State state;
  XS_TRY_STATUS(restore_state(rest, state));
  if (state.fifo_first >= kFifoBytes || state.fifo_count > kFifoBytes || state.waiting > rest.size()) {
    return input_error("saved UART state: a count is out of range");
  }
  state_ = state;
  state_.waiting = 0;
  input_.assign(reinterpret_cast<const char*>(rest.data()), state.waiting);
  in = rest.subspan(state.waiting);
  return {};
}

}  // namespace xensim::pc
