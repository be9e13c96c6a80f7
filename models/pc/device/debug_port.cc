// The smallest device: a pattern for others.
#include "models/pc/device/debug_port.h"

namespace xensim::pc {

DebugPort::DebugPort(uint16_t port, uint8_t readback, ConsoleSource source, ConsoleSink& sink)
    : port_(port), readback_(readback), source_(source), sink_(sink) {}

std::vector<PortRange> DebugPort::ports() const { return {{port_, 1, 1}}; }

uint32_t DebugPort::port_in(uint16_t /*port*/, unsigned /*bytes*/) { return readback_; }

void DebugPort::port_out(uint16_t /*port*/, unsigned /*bytes*/, uint32_t value) {
  sink_.console_output(source_, static_cast<uint8_t>(value));
}

}  // namespace xensim::pc
