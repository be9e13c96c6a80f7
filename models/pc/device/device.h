// What a platform device is to the board, and what it may ask of the machine around it.
//
// A device groups its members by what becomes of them: fixed (set once by the constructor), glue (references to the
// machine), volatile (a plain State struct). save and restore touch the volatile group alone. A device has no clock of
// its own: it asks Clock for the virtual time and DeviceTimers for a call at a later one. Nothing here is thread-safe;
// the board owns the devices, and a guest's mistake is never an error here, just what the hardware would do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/base/result.h"
#include "models/base/types.h"

namespace xensim::pc {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual VirtualNs now() const = 0;
};

// Timers by number (Board: the local APIC timer of vCPU n is timer n). At or after the deadline the machine calls
// Board::timer_expired; a deadline that has passed already is due at once.
class DeviceTimers {
 public:
  virtual ~DeviceTimers() = default;
  virtual void arm(uint32_t timer, VirtualNs deadline) = 0;  // replaces an earlier deadline of the same timer
  virtual void cancel(uint32_t timer) = 0;                   // no effect where the timer is not armed
};

// The wires from devices to an interrupt controller. Called on changes alone.
class InterruptLines {
 public:
  virtual ~InterruptLines() = default;
  virtual void set_irq(unsigned irq, bool level) = 0;
};

// Where the guest's console bytes go, one by one, in the order written.
enum class ConsoleSource : uint8_t { kPortE9, kPort12, kUart };

class ConsoleSink {
 public:
  virtual ~ConsoleSink() = default;
  virtual void console_output(ConsoleSource source, uint8_t byte) = 0;
};

// Ports [first, first + count). An access that is wider than max_bytes, or that leaves the range, reaches the device
// byte by byte, as an ISA bus splits it.
struct PortRange {
  uint16_t first = 0;
  uint16_t count = 0;
  unsigned max_bytes = 1;
};

class PortDevice {
 public:
  virtual ~PortDevice() = default;
  virtual std::vector<PortRange> ports() const = 0;
  // `port` lies in one of the ranges; `bytes` is 1, 2 or 4; bits above them are zero, and ignored in the result.
  virtual uint32_t port_in(uint16_t port, unsigned bytes) = 0;
  virtual void port_out(uint16_t port, unsigned bytes, uint32_t value) = 0;
};

struct MmioRange {
  Gpa first;
  uint64_t bytes = 0;
};

class MmioDevice {
 public:
  virtual ~MmioDevice() = default;
  virtual MmioRange mmio() const = 0;
  // `offset` from the range's begin; the whole access lies in the range; `bytes` is 1, 2, 4 or 8.
  virtual uint64_t mmio_read(uint64_t offset, unsigned bytes) = 0;
  virtual void mmio_write(uint64_t offset, unsigned bytes, uint64_t value) = 0;
};

// A device with volatile state. save appends it; restore takes it off the front of `in`, and fails (nothing changed)
// where `in` is too short. restore tells the machine nothing: timers and lines are restored by whoever owns them.
class SavedDevice {
 public:
  virtual ~SavedDevice() = default;
  virtual void save(std::vector<std::byte>& out) const = 0;
  virtual Status restore(std::span<const std::byte>& in) = 0;
};

}  // namespace xensim::pc
