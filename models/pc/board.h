// The board of one domain: its devices and local APICs, wired to each other and to the machine. Owned by the machine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/pc/device/apic_bus.h"
#include "models/pc/device/debug_port.h"
#include "models/pc/device/device.h"
#include "models/pc/device/io_bus.h"
#include "models/pc/device/local_apic.h"
#include "models/pc/device/test_exit.h"
#include "models/pc/device/uart_8250.h"
#include "models/pc/pc_devices.h"

namespace xensim::pc {

// All that a board asks of its machine.
class BoardClient : public Clock,
                    public DeviceTimers,
                    public PowerClient,
                    public InterruptLines,
                    public ConsoleSink,
                    public TestExitClient,
                    public ApicClient {};

struct BoardConfig {
  uint32_t vcpus = 1;
  uint32_t apic_id_step = 1;  // a vCPU's APIC id is its number times this: 2 under Xen, 1 under QEMU
  bool x2apic = true;
  ApicQuirks apic{};
  bool holes_read_zero = false;  // where there is neither memory nor device: zeroes (QEMU), else all ones
  uint64_t apic_bus_hz = 1'000'000'000;
  uint64_t tsc_hz = 1'000'000'000;
  bool uart = true;      // a PVH guest of Xen has none
  bool pc = false;       // with a PC's chipset: PcDevices
  bool io_apic = false;  // without one, but with QEMU's IO-APIC
  uint8_t io_apic_id = 0;
  uint64_t epoch_s = 0;  // its clock's seconds since 1970 at virtual time 0
};

class Board : public SavedDevice, private InterruptLines {
 public:
  // `client` must outlive the board.
  Board(const BoardConfig& config, BoardClient& client);

  // Adds a device that the machine owns; it is not part of save and restore.
  void attach(PortDevice& device) { bus_.attach(device); }
  void attach(MmioDevice& device) { bus_.attach(device); }

  // Accesses as CpuClient has them. A vCPU sees its own local APIC where APIC_BASE says while that is in xAPIC mode;
  // the page at kApicDefaultBase reads as ones without it.
  uint32_t port_in(uint16_t port, unsigned bytes) { return bus_.port_in(port, bytes); }
  void port_out(uint16_t port, unsigned bytes, uint32_t value) { bus_.port_out(port, bytes, value); }
  uint64_t mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes);
  void mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value);

  // The MSRs that the board knows: those of the local APIC. For them nullopt or false is #GP(0), as it is for any
  // other.
  static bool owns_msr(uint32_t msr);
  std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr);
  bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value);

  // An interrupt line of a device: to the chipset or IO-APIC, or to the machine where there is none. GSIs from 16 on
  // are the IO-APIC's.
  void set_gsi(unsigned gsi, bool level) { set_irq(gsi, level); }

  // The call that DeviceTimers::arm asked for.
  void timer_expired(uint32_t timer);

  LocalApic& apic(VcpuId vcpu);
  const LocalApic& apic(VcpuId vcpu) const;
  uint32_t vcpus() const { return static_cast<uint32_t>(apics_.size()); }
  Uart8250& uart() { return uart_; }

  // On failure of restore the board is unusable until a restore succeeds.
  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  LocalApic* apic_at(VcpuId vcpu, Gpa gpa, unsigned bytes);
  void set_irq(unsigned irq, bool level) override;

  BoardClient& client_;
  ApicBus apic_bus_;
  std::vector<std::unique_ptr<LocalApic>> apics_;
  DebugPort port_e9_;
  DebugPort port_12_;
  Uart8250 uart_;
  TestExit test_exit_;
  std::unique_ptr<PcDevices> pc_;    // none on a bare board
  std::unique_ptr<IoApic> io_apic_;  // BoardConfig::io_apic
  IoBus bus_;
};

}  // namespace xensim::pc
