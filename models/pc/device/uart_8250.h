// A 16550A UART at COM1 (National Semiconductor PC16550D data sheet). A byte written leaves at once; the divisor and
// the line parameters are kept and shown, and change nothing. Bytes for the guest wait until its receiver has room.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/pc/device/device.h"

namespace xensim::pc {

inline constexpr uint16_t kCom1Port = 0x3f8;
inline constexpr unsigned kCom1Irq = 4;

class Uart8250 : public PortDevice, public SavedDevice {
 public:
  Uart8250(ConsoleSink& sink, InterruptLines& lines, uint16_t port = kCom1Port, unsigned irq = kCom1Irq);

  // Appends to what waits for the guest.
  void input(std::string_view bytes);

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  static constexpr unsigned kFifoBytes = 16;

  struct State {
    uint64_t waiting = 0;  // bytes of input_, as saved
    std::array<uint8_t, kFifoBytes> fifo{};
    uint8_t fifo_first = 0;
    uint8_t fifo_count = 0;
    uint8_t ier = 0;
    uint8_t fcr = 0;
    uint8_t lcr = 0;
    uint8_t mcr = 0;
    uint8_t line_errors = 0;   // LSR bits 1 to 4, cleared by reading it
    uint8_t modem_deltas = 0;  // MSR bits 0 to 3, cleared by reading it
    uint8_t scratch = 0;
    uint8_t divisor_low = 1;
    uint8_t divisor_high = 0;
    uint8_t thre_pending = 0;  // the "transmitter empty" interrupt has been raised, and not yet been seen in IIR
    uint8_t irq_level = 0;
    std::array<uint8_t, 3> unused{};  // no padding: states are compared as bytes
  };

  bool fifo_enabled() const { return (state_.fcr & 1) != 0; }
  bool loopback() const { return (state_.mcr & 0x10) != 0; }
  unsigned capacity() const { return fifo_enabled() ? kFifoBytes : 1; }
  uint8_t interrupt_id() const;
  uint8_t line_status() const;
  uint8_t modem_lines() const;

  uint8_t read_register(unsigned offset);
  void write_register(unsigned offset, uint8_t value);
  uint8_t receive();
  void push(uint8_t byte);
  void refill();
  void transmit(uint8_t byte);
  void write_fcr(uint8_t value);
  void write_mcr(uint8_t value);
  void update_irq();

  // Fixed.
  const uint16_t port_;
  const unsigned irq_;
  // Glue.
  ConsoleSink& sink_;
  InterruptLines& lines_;
  // Volatile.
  State state_;
  std::string input_;  // what waits for room in the receiver
};

}  // namespace xensim::pc
