// A debug console: one port, each byte written is a byte of output. QEMU's isa-debugcon and Bochs have it at 0xe9
// (where Xen has its own, XEN_HVM_DEBUGCONS_IOPORT), XTF's guests write to 0x12.
#pragma once

#include "models/pc/device/device.h"

namespace xensim::pc {

inline constexpr uint16_t kDebugPortE9 = 0xe9;
inline constexpr uint16_t kDebugPort12 = 0x12;

class DebugPort : public PortDevice {
 public:
  // `readback` is what a read gives: a guest that finds 0xe9 at port 0xe9 knows that the console is there.
  DebugPort(uint16_t port, uint8_t readback, ConsoleSource source, ConsoleSink& sink);

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

 private:
  // Fixed.
  const uint16_t port_;
  const uint8_t readback_;
  const ConsoleSource source_;
  // Glue.
  ConsoleSink& sink_;
};

}  // namespace xensim::pc
